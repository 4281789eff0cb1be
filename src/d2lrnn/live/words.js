// What several figures say and read: numbers, lists, and the plain letters of a text.

export const whole = (v) => Math.round(v).toLocaleString("en-US");

export const listed = (parts) =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

// Lower case, without accents.
export const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// The letters a–z, with one space for every run of anything else.
export const letters = (text) => plain(text).replace(/[^a-z]+/g, " ");
