import dataclasses
import gzip
import hashlib
import io
import os
import threading
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn import corpora, grammar
from d2lrnn.corpora import DownloadError, load_pairs, load_parallel, load_text
from d2lrnn.text import keep_letters

TEXT = "The door opened.\nNobody came in.\n" * 40
PAIRS = "Go.\tVa !\tattribution\nHi.\tSalut.\tattribution\n"


def zipped(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("fra-eng/_about.txt", "about")
        archive.writestr("fra-eng/fra.txt", text)
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """Answers with `body` in the manner of `behaviour`, a method of Handler, and counts its requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = "good"
        self.body = b""
        self.requests = 0
        self.sent_to_the_end = False
        self.closing = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests += 1
        with suppress(OSError):  # the client has given up
            getattr(self, self.server.behaviour)(self.server.body)
        self.close_connection = True

    def start(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def good(self, body):
        self.start(Content_Length=len(body))
        self.wfile.write(body)

    def good_chunked(self, body):
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    def truncated(self, body):
        self.start(Content_Length=len(body))
        self.wfile.write(body[:-7])

    def truncated_chunked(self, body):
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s" % (len(body), body[:-7]))

    def truncated_without_length(self, body):
        self.start()
        self.wfile.write(body[:-7])

    def wrong_checksum(self, body):
        self.good(body[:-1] + b"?")

    def missing(self, _):
        self.start(404, Content_Length=0)

    def broken(self, _):
        self.start(500, Content_Length=0)

    def no_http(self, _):
        self.wfile.write(b"hello\r\n\r\n")

    def hangs_up(self, _):
        pass

    def silent(self, _):
        self.server.closing.wait(60)

    def stalls(self, body):
        self.start(Content_Length=len(body))
        self.server.closing.wait(60)

    def trickles(self, _):
        self.start(Content_Length=10**6)
        for _ in range(100):
            self.wfile.write(b"x")
            if self.server.closing.wait(0.03):
                return
        self.server.sent_to_the_end = True


FAILURES = {
    "truncated": "7 bytes before the end",
    "truncated_chunked": "IncompleteRead",
    "truncated_without_length": "does not match the known hash",
    "wrong_checksum": "does not match the known hash",
    "missing": "404",
    "broken": "500",
    "no_http": "hello",
    "hangs_up": "closed connection",
    "silent": "timed out",
    "stalls": "timed out",
    "trickles": "not finished after 0.6 seconds",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no $D2LRNN_DATA and no proxy."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(corpora.pooch, "os_cache", lambda _: folder)
    monkeypatch.delenv("D2LRNN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def server(cache, monkeypatch):
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()


def serve(monkeypatch, server, name, body):
    """Let the server stand for the corpus `name`, with the checksum of `body`."""
    server.body = body
    real = corpora.DOWNLOADS[name]
    url = f"{server.url}/{Path(real.url).name}"
    local = dataclasses.replace(real, url=url, sha1=hashlib.sha1(body).hexdigest())
    monkeypatch.setitem(corpora.DOWNLOADS, name, local)
    return url


def write(folder, name, content):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


# --- embedded


def test_story_is_long_english_prose():
    text = load_text()
    assert text == load_text("story")
    assert len(text) >= 60_000
    assert set(keep_letters(text)) == set("abcdefghijklmnopqrstuvwxyz ")


def test_chinese_text_is_chinese():
    text = load_text("chinese")
    assert sum("\u4e00" <= char <= "\u9fff" for char in text) >= 2_000


def test_grammar_pairs_are_the_grammars_sentences():
    first = grammar.sample(5, seed=3)[0]
    pairs = load_pairs("grammar", num_pairs=5, seed=3)
    assert len(pairs) == 5
    assert pairs[0] == grammar.written(first)


def test_grammar_gives_ten_thousand_pairs_that_depend_only_on_the_seed():
    pairs = load_pairs()
    assert len(pairs) == 10_000
    assert load_pairs() == pairs
    assert load_pairs(num_pairs=20, seed=1) != load_pairs(num_pairs=20, seed=2)


# --- files of one's own


def test_text_file_by_str_and_by_path(tmp_path):
    path = write(tmp_path, "mine.txt", "été\n")
    assert load_text(path) == load_text(str(path)) == "été\n"


def test_byte_order_mark_and_windows_line_ends_go(tmp_path):
    assert load_text(write(tmp_path, "a.txt", b"\xef\xbb\xbfone\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"
    assert load_pairs(write(tmp_path, "b.txt", b"\xef\xbb\xbfGo.\tVa !\r\nHi.\tSalut.\r\n")) == [
        ("Go.", "Va !"),
        ("Hi.", "Salut."),
    ]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \r\n\t\n"])
@pytest.mark.parametrize("load", [load_text, load_pairs])
def test_empty_file_is_an_error(tmp_path, load, content):
    with pytest.raises(ValueError, match="empty.txt is empty"):
        load(write(tmp_path, "empty.txt", content))


@pytest.mark.parametrize("load", [load_text, load_pairs])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_not_utf8_names_the_byte(tmp_path, load, bom):
    content = bom + "caf\tété".encode("latin-1")
    with pytest.raises(ValueError, match=rf"latin.txt is not UTF-8 text: byte {len(bom) + 4} .* encoding UTF-8"):
        load(write(tmp_path, "latin.txt", content))


def test_unknown_text_lists_the_known_ones():
    message = 'called \'storry\': use "story", "chinese", "time_machine" or a path to a file'
    with pytest.raises(FileNotFoundError, match=message):
        load_text("storry")


def test_unknown_pairs_list_the_known_ones():
    with pytest.raises(FileNotFoundError, match='called \'story\': use "grammar", "eng_fra" or a path to a file'):
        load_pairs("story")


@pytest.mark.parametrize("source", ["", ".", "no/such/file.txt", "a\0b"])
def test_what_is_no_file_is_an_error(source):
    with pytest.raises(FileNotFoundError):
        load_text(source)


def test_a_text_given_instead_of_its_path_is_shortened_in_the_message():
    with pytest.raises(FileNotFoundError) as caught:
        load_text("It was late. " * 1000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("source", [None, 3, ["story"]])
def test_source_of_another_type_is_an_error(source):
    with pytest.raises(TypeError):
        load_text(source)
    with pytest.raises(TypeError):
        load_pairs(source)


def test_a_known_name_wins_over_a_file_of_that_name(tmp_path, monkeypatch):
    write(tmp_path, "story", "not the story")
    monkeypatch.chdir(tmp_path)
    assert load_text("story") != "not the story"
    assert load_text("./story") == "not the story"


def test_pairs_ignore_attributions_and_blank_lines(tmp_path):
    path = write(tmp_path, "pairs.txt", "Go.\tVa !\tCC-BY 2.0 #1\n\nHi.\tSalut.\tCC-BY 2.0 #2\n\n")
    assert load_pairs(path) == [("Go.", "Va !"), ("Hi.", "Salut.")]


def test_a_tab_inside_a_sentence_is_named(tmp_path):
    path = write(tmp_path, "pairs.txt", "Ein Hund.\tA dog.\n\nin einer \tFontäne.\tIn a fountain.\n")
    with pytest.raises(ValueError, match=r"line 3 of .*pairs.txt has 3 columns, but the first has 2: .*Fontäne"):
        load_pairs(path)
    path = write(tmp_path, "pairs.txt", "Ein Hund.\tA dog.\tme\nEine Katze.\tA cat.\n")
    with pytest.raises(ValueError, match="line 2 of .* has 2 columns, but the first has 3"):
        load_pairs(path)
    assert load_pairs(path, num_pairs=1) == [("Ein Hund.", "A dog.")]


TATOEBA = "1276\tLet's try something.\t373330\tEssayons quelque chose !\n1277\tI must go.\t5\tJe dois y aller.\n"


@pytest.mark.parametrize(
    "content, column, label",
    [
        (TATOEBA, 0, "1276"),
        ("1276\teng\tLet's try something.\n1277\teng\tI must go.\n", 0, "1276"),
        ("eng\tLet's try something.\tfra\tEssayons !\neng\tI must go.\tfra\tJe dois.\n", 0, "eng"),
        ("Try!\t1276\tEssaie !\nGo!\t1277\tVa !\n", 1, "1276"),
        ("Try!\tpt-BR\tTenta!\nGo!\tpt-BR\tVai!\n", 1, "pt-BR"),
        ("".join(f"{'cmn' if i % 2 else 'eng'}\tText {i}.\n" for i in range(40)), 0, "eng"),
    ],
)
def test_a_column_of_numbers_or_languages_is_refused(tmp_path, content, column, label):
    with pytest.raises(ValueError, match=rf"column {column} .* such as '{label}'.*columns=\(1, 3\)"):
        load_pairs(write(tmp_path, "pairs.tsv", content))


def test_columns_are_chosen(tmp_path):
    path = write(tmp_path, "pairs.tsv", TATOEBA)
    assert load_pairs(path, columns=(1, 3))[0] == ("Let's try something.", "Essayons quelque chose !")
    assert load_pairs(path, columns=[3, 1])[1] == ("Je dois y aller.", "I must go.")
    assert load_pairs(path, columns=(0, 1))[1] == ("1277", "I must go.")  # numbers that are asked for
    with pytest.raises(ValueError, match=r"columns \(1, 4\) are not in .*: it has only 4"):
        load_pairs(path, columns=(1, 4))
    for columns in (1, (1,), (1, 1), (0, -1), (0, 1, 2), "13", (0, 1.0)):
        with pytest.raises(ValueError, match="columns must be two different numbers"):
            load_pairs(path, columns=columns)


def test_short_sentences_are_no_codes(tmp_path):
    pairs = [(word, word.upper()) for word in ("go", "run", "hi", "yes", "no")]
    assert load_pairs(write(tmp_path, "p.txt", "\n".join("\t".join(pair) for pair in pairs))) == pairs


def test_headers_of_anki_are_skipped(tmp_path):
    header = "#separator:tab\n#html:false\n#notetype:Basic\n#columns:Front\tBack\tTags\n#tags column:3\n"
    path = write(tmp_path, "anki.txt", f"\ufeff{header}#metoo\tMoi aussi\tx\nGo.\tVa !\t\n")
    assert load_pairs(path) == [("#metoo", "Moi aussi"), ("Go.", "Va !")]


def test_byte_order_marks_of_joined_files_go(tmp_path):
    part = "\ufeffGo.\tVa !\n"
    assert load_pairs(write(tmp_path, "joined.txt", part * 3)) == [("Go.", "Va !")] * 3
    assert load_text(write(tmp_path, "text.txt", part * 2)) == "Go.\tVa !\n" * 2


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_aligned_files(tmp_path, ending):
    def write_lines(name, text):
        return write(tmp_path, name + ending, gzip.compress(text.encode()) if ending else text)

    source = write_lines("corpus.de", "\ufeffEin Hund.\r\n\r\n1\tEine Katze.\r\nJa.\r\n")
    target = write_lines("corpus.en", "A dog.\nNothing.\n1\tA cat.\n \n")
    pairs = [("Ein Hund.", "A dog."), ("1\tEine Katze.", "1\tA cat.")]
    with pytest.warns(UserWarning, match="2 of 4 pairs have an empty side"):
        assert load_parallel(source, target) == pairs
    with pytest.warns(UserWarning):
        assert load_parallel(str(source), target, num_pairs=1) == pairs[:1]
    with pytest.raises(ValueError, match=r"corpus.de.* has 4 lines and .*short.en.* 3"):
        load_parallel(source, write_lines("short.en", "A dog.\nNothing.\nA cat."))
    with pytest.raises(ValueError, match="no line in common"):
        load_parallel(write_lines("a", "a\n\n"), write_lines("b", "\nb\n"))
    with pytest.raises(ValueError, match="num_pairs"):
        load_parallel(source, target, num_pairs=0)
    with pytest.raises(FileNotFoundError, match="no file is called .*give the path"):
        load_parallel(source, tmp_path / "missing.en")


def test_compressed_files(tmp_path):
    data = gzip.compress(PAIRS.encode())
    assert len(load_pairs(write(tmp_path, "pairs.tsv.gz", data))) == 2
    for damaged in (data[:-9], b"no archive", data[:15] + b"????" + data[19:]):
        with pytest.raises(ValueError, match="pairs.tsv.gz cannot be decompressed"):
            load_pairs(write(tmp_path, "pairs.tsv.gz", damaged))


@pytest.mark.parametrize("line", ["Go. Va !", "Go.\t", "\tVa !", "Go.\t \tCC-BY"])
def test_line_that_is_no_pair_is_named(tmp_path, line):
    path = write(tmp_path, "pairs.txt", f"Hi.\tSalut.\n\n{line}\n")
    with pytest.raises(ValueError) as caught:
        load_pairs(path)
    problem = str(caught.value)
    assert f"line 3 of {path} " in problem and f" {line!r}" in problem
    assert "must be: a sentence, a tab, its translation" in problem or "columns, but the first has 2" in problem


def test_long_line_that_is_no_pair_is_shortened(tmp_path):
    with pytest.raises(ValueError) as caught:
        load_pairs(write(tmp_path, "p.txt", "word " * 1000))
    assert len(str(caught.value)) < 300


def test_num_pairs_takes_the_first(tmp_path):
    path = write(tmp_path, "pairs.txt", "a\tA\nb\tB\nc\tC\nno pair")
    assert load_pairs(path, num_pairs=2) == [("a", "A"), ("b", "B")]
    assert load_pairs(path, num_pairs=3)[-1] == ("c", "C")
    assert load_pairs(write(tmp_path, "one.txt", "a\tA"), num_pairs=3) == [("a", "A")]


@pytest.mark.parametrize("num_pairs", [0, -1, 2.5, "10"])
@pytest.mark.parametrize("source", ["grammar", "eng_fra", "no such file"])
def test_num_pairs_below_one_is_an_error(cache, source, num_pairs):
    with pytest.raises(ValueError, match="num_pairs must be an integer of at least 1"):
        load_pairs(source, num_pairs=num_pairs)


SENTENCE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\t\n\r\ufeff"), min_size=1).filter(
    str.strip
)


@given(st.lists(st.tuples(SENTENCE, SENTENCE), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_pairs_survive_a_file(tmp_path_factory, pairs, line_end):
    lines = line_end.join("\t".join(pair) for pair in pairs)
    path = write(tmp_path_factory.getbasetemp(), "round_trip.txt", lines)
    assert load_pairs(path, columns=(0, 1)) == pairs


# --- downloads


@pytest.mark.parametrize("behaviour", ["good", "good_chunked"])
def test_text_is_downloaded_once_and_silently(cache, server, monkeypatch, caplog, capfd, behaviour):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    server.behaviour = behaviour
    assert load_text("time_machine") == TEXT
    assert load_text("time_machine") == TEXT
    assert server.requests == 1
    assert [path.name for path in cache.iterdir()] == ["timemachine.txt"]
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_pairs_are_read_from_the_downloaded_archive(cache, server, monkeypatch):
    serve(monkeypatch, server, "eng_fra", zipped(PAIRS))
    assert load_pairs("eng_fra") == [("Go.", "Va !"), ("Hi.", "Salut.")]
    assert load_pairs("eng_fra", num_pairs=1) == [("Go.", "Va !")]
    assert server.requests == 1
    assert [path.name for path in cache.iterdir()] == ["fra-eng.zip"]


@pytest.mark.parametrize("in_cache", [None, b"half of it"])
@pytest.mark.parametrize("behaviour", FAILURES)
def test_failed_download_is_explained_and_leaves_nothing(cache, server, monkeypatch, behaviour, in_cache):
    url = serve(monkeypatch, server, "time_machine", TEXT.encode())
    if in_cache:
        write(cache, "timemachine.txt", in_cache)
    server.behaviour = behaviour
    if behaviour in ("silent", "stalls", "trickles"):  # a busy machine may need longer for what does come
        monkeypatch.setattr(corpora, "TIMEOUT", 0.3)
        monkeypatch.setattr(corpora, "TIME_LIMIT", 0.6)
    with pytest.raises(DownloadError) as caught:
        load_text("time_machine")
    message = str(caught.value)
    assert FAILURES[behaviour] in message
    assert url in message
    assert "Try again" in message and "timemachine.txt" in message and "D2LRNN_DATA" in message
    assert list(cache.iterdir()) == []
    assert server.requests == 1
    assert not server.sent_to_the_end  # the client did not wait for the last drop

    server.behaviour = "good"
    assert load_text("time_machine") == TEXT


@pytest.mark.parametrize("behaviour", ["truncated", "wrong_checksum"])
def test_failed_download_of_an_archive_leaves_nothing(cache, server, monkeypatch, behaviour):
    serve(monkeypatch, server, "eng_fra", zipped(PAIRS))
    server.behaviour = behaviour
    with pytest.raises(DownloadError, match="fra.txt in a folder"):
        load_pairs("eng_fra")
    assert list(cache.iterdir()) == []


def test_no_server_at_all(cache, server, monkeypatch):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match="refused"):
        load_text("time_machine")
    assert list(cache.iterdir()) == []


def test_broken_file_in_the_cache_is_replaced(cache, server, monkeypatch):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    path = write(cache, "timemachine.txt", TEXT[:50])
    assert load_text("time_machine") == TEXT
    assert path.read_text() == TEXT


def test_cache_that_is_no_folder_is_a_download_error(cache, server, monkeypatch):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    cache.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="D2LRNN_DATA"):
        load_text("time_machine")


# --- $D2LRNN_DATA


def test_data_folder_comes_first(cache, server, monkeypatch, tmp_path):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    serve(monkeypatch, server, "eng_fra", zipped(PAIRS))
    monkeypatch.setenv("D2LRNN_DATA", str(tmp_path / "data"))
    write(tmp_path / "data", "timemachine.txt", TEXT)
    write(tmp_path / "data", "fra.txt", "Any.\tPart.\n")
    server.body = TEXT.encode()
    assert load_text("time_machine") == TEXT
    assert load_pairs("eng_fra") == [("Any.", "Part.")]
    assert server.requests == 0
    assert not cache.exists()


@pytest.mark.parametrize("folder", ["", "empty", "missing"])
def test_data_folder_without_the_file_is_passed_over(cache, server, monkeypatch, tmp_path, folder):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("D2LRNN_DATA", str(tmp_path / folder) if folder else "")
    assert load_text("time_machine") == TEXT


def test_unset_data_folder_is_not_the_current_one(cache, server, monkeypatch, tmp_path):
    serve(monkeypatch, server, "time_machine", TEXT.encode())
    monkeypatch.setenv("D2LRNN_DATA", "")
    monkeypatch.chdir(write(tmp_path, "timemachine.txt", "another text").parent)
    assert load_text("time_machine") == TEXT


def test_another_text_in_the_data_folder_is_an_error(cache, monkeypatch, tmp_path):
    path = write(tmp_path, "timemachine.txt", "another text")
    monkeypatch.setenv("D2LRNN_DATA", str(tmp_path))
    with pytest.raises(ValueError) as caught:
        load_text("time_machine")
    message = str(caught.value)
    assert str(path) in message
    assert hashlib.sha1(b"another text").hexdigest() in message
    assert "090b5e7e70c295757f55df93cb0a180b9691891a" in message


def has_real(file):
    folder = os.environ.get("D2LRNN_DATA")
    missing = not folder or not Path(folder, file).is_file()
    return pytest.mark.skipif(missing, reason=f"needs the real {file} in the folder $D2LRNN_DATA")


@has_real("timemachine.txt")
def test_the_real_time_machine():
    text = load_text("time_machine")
    assert len(text.encode()) == 178_979
    assert set(keep_letters(text)) == set("abcdefghijklmnopqrstuvwxyz ")


@has_real("fra.txt")
def test_the_real_pairs():
    pairs = load_pairs("eng_fra")
    text = Path(os.environ["D2LRNN_DATA"], "fra.txt").read_text(encoding="utf-8")
    assert len(pairs) == text.count("\n") + (not text.endswith("\n"))
    assert len(pairs) >= 18_065  # a slice of the whole file, which has about ten times as many
    assert len(load_pairs("eng_fra", num_pairs=600)) == 600
    assert pairs[0][0] == "Go."
    assert all(english.strip() and french.strip() for english, french in pairs)
