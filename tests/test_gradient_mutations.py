"""Every sign and every transpose in the hand-written gradients matters: change any single one, and autograd notices.

The source of the formulas is read, and for each place one mutant is made: + becomes − or − becomes +, a minus is
dropped or added, a transpose is dropped or added. The mutant module is run and compared with autograd. A mutant that
passes is a survivor; none may be left.

All sizes that a matrix product could notice are equal (D = h = q = T B), so that most transposes have legal shapes
and must be found by their numbers.
"""

import ast
import types
import warnings
from collections import namedtuple

import pytest
import torch
from test_gradients import (
    EXACT,
    PHI,
    by_autograd,
    enumerated,
    example,
    lstm_by_autograd,
    lstm_example,
    one_weight,
)
from torch.testing import assert_close

from d2lrnn import cells, gradients

torch.set_num_threads(1)

FORMULAS = [
    "ACTIVATIONS", "cross_entropy", "mse", "bptt", "forward_pass", "lstm_bptt", "lstm_forward_pass", "truncated_bptt",
    "recursion", "recursion_terms", "truncated_sum", "randomised_sum", "step_jacobians", "lag_jacobians",
]  # fmt: skip
SOURCE = gradients.__spec__.loader.get_source(gradients.__name__)

# One change of the source: bytes from start to end become text.
Mutant = namedtuple("Mutant", "formula kind start end text")


# Making mutants

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult)
WITHOUT_FORMULAS = (ast.Raise, ast.JoinedStr)


def find_mutants(source):
    """All mutants of the formulas in a module's source."""
    data = source.encode()  # ast counts columns in bytes
    line_starts = [0]
    for line in data.splitlines(keepends=True):
        line_starts.append(line_starts[-1] + len(line))

    def span(node):
        return line_starts[node.lineno - 1] + node.col_offset, line_starts[node.end_lineno - 1] + node.end_col_offset

    def text(node):
        start, end = span(node)
        return data[start:end].decode()

    def swapped(left, right):
        """The place of the sign between two operands, and the other sign."""
        between = slice(span(left)[1], span(right)[0])
        sign = min(at for at in (data.find(b"+", between.start), data.find(b"-", between.start)) if at >= 0)
        assert sign < between.stop
        return sign, sign + 1, "-" if data[sign : sign + 1] == b"+" else "+"

    mutants = []
    for formula, tree in formulas(source):
        for node in walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                mutants.append(Mutant(formula, "sign swapped", *swapped(node.left, node.right)))
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
                mutants.append(Mutant(formula, "sign swapped", *swapped(node.target, node.value)))
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                mutants.append(Mutant(formula, "minus dropped", *span(node), text(node.operand)))
            if isinstance(node, ast.Attribute) and node.attr == "T":
                mutants.append(Mutant(formula, "transpose dropped", *span(node), text(node.value)))
            for term in terms(node):
                mutants.append(Mutant(formula, "minus added", *span(term), f"(-({text(term)}))"))
            for matrix in matrices(node):
                mutants.append(Mutant(formula, "transpose added", *span(matrix), f"({text(matrix)}).T"))
    return mutants


def formulas(source):
    for node in ast.parse(source).body:
        name = node.targets[0].id if isinstance(node, ast.Assign) else getattr(node, "name", None)
        if name in FORMULAS:
            yield name, node


def walk(tree):
    """Every node but those within an error's text."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, WITHOUT_FORMULAS):
            yield from walk(child)


def terms(node):
    """What a minus can be put before: operands, what is stored or added, what is returned."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
        yield from (node.left, node.right)
    elif isinstance(node, ast.AugAssign):
        yield node.value
    elif isinstance(node, ast.Assign):
        if isinstance(node.targets[0], ast.Subscript) or isinstance(node.value, ast.BinOp):
            yield node.value
    elif isinstance(node, ast.Dict):
        yield from (value for value in node.values if not isinstance(value, ast.Tuple))
    elif isinstance(node, ast.Lambda):
        yield node.body
    elif isinstance(node, ast.Return):
        results = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        yield from (result for result in results if getattr(result, "value", None) != 0)  # −0 is 0


def matrices(node):
    """What can be transposed as well: the factors of a matrix product, and a product that is a gradient."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield from (factor for factor in (node.left, node.right) if not is_transpose(factor))
    elif isinstance(node, ast.Dict):
        yield from (v for v in node.values if isinstance(v, ast.BinOp) and isinstance(v.op, ast.MatMult))


def is_transpose(node):
    return isinstance(node, ast.Attribute) and node.attr == "T"


def apply(mutant, source=SOURCE):
    data = source.encode()
    return (data[: mutant.start] + mutant.text.encode() + data[mutant.end :]).decode()


def describe(mutant):
    """Such as "bptt, line 123, transpose dropped: from_later = xi[t] * (dZ[t] @ W_hh)"."""
    line = SOURCE.encode()[: mutant.start].count(b"\n")
    return f"{mutant.formula}, line {line + 1}, {mutant.kind}: {apply(mutant).splitlines()[line].strip()}"


def load(source):
    module = types.ModuleType("mutant")
    exec(compile(source, "mutant", "exec"), module.__dict__)
    return module


# The comparison with autograd

T, B, SIZE = 3, 2, 6


def autograd_cases():
    """What autograd (for the moments: all draws) says, as functions of a module that return ours and theirs."""
    cases = []

    def jacobian_of_step(X_t, H, params, phi):
        return torch.autograd.functional.jacobian(lambda H: cells.rnn_step(X_t, H[None], params, phi)[1][0], H)

    for activation, phi in PHI.items():
        for loss in ("cross_entropy", "mse"):
            inputs, targets, state, params = example(T, B, SIZE, SIZE, SIZE, 1, loss)
            xi = torch.tensor([1.5, 0.0, 0.7], dtype=torch.float64)
            for factors in (None, xi):
                arguments = (inputs, targets, state, params, loss, activation, factors)
                cases.append((lambda m, a=arguments: m.bptt(*a), by_autograd(*arguments)))
            value, found, last = by_autograd(inputs, targets, state, params, loss, activation, xi)
            arguments = (inputs, targets, state, params, xi, loss, activation)
            del found["inputs"]
            cases.append((lambda m, a=arguments: m.truncated_bptt(*a), (value, found, last)))

        inputs, _, state, params = example(T, 1, SIZE, SIZE, SIZE, 1)
        H, Z, steps = [state], [], []
        for X_t in inputs:
            Z.append(X_t @ params["W_xh"].detach() + H[-1] @ params["W_hh"].detach() + params["b_h"].detach())
            steps.append(jacobian_of_step(X_t, H[-1][0], params, phi))
            H.append(phi(Z[-1]))
        lags = [torch.eye(SIZE).double(), steps[2], steps[2] @ steps[1], steps[2] @ steps[1] @ steps[0]]
        slopes = torch.func.vmap(torch.func.grad(phi))(torch.stack(Z).flatten()).reshape(T, 1, SIZE)
        arguments = (inputs, state, params, activation)
        cases.append((lambda m, a=arguments: m.forward_pass(*a), (torch.stack(Z), torch.stack(H), slopes)))
        steps = torch.stack(steps)
        cases.append((lambda m, a=arguments: m.step_jacobians(*a), steps))
        cases.append((lambda m, steps=steps: m.lag_jacobians(steps), torch.stack(lags)))

    for loss in ("cross_entropy", "mse"):
        arguments = (*lstm_example(T, B, SIZE, SIZE, SIZE, 1, loss), loss)
        cases.append((lambda m, a=arguments: m.lstm_bptt(*a), lstm_by_autograd(*arguments)))
    inputs, _, state, params = lstm_example(T, B, SIZE, SIZE, SIZE, 1)
    cases.append((lambda m: m.lstm_forward_pass(inputs, state, params), lstm_pass(inputs, state, params)))

    b, c, a, shares = one_weight(5, 0)
    cases.append((lambda m: m.recursion(b, c), a))
    cases.append((lambda m: m.recursion_terms(b, c), shares))
    cases.append((lambda m: m.truncated_sum(shares, 2), (shares[3:].sum().item(), 0.0)))
    cases.append((lambda m: m.randomised_sum(shares, 0.6), enumerated(b, c, 0.6)))
    return cases


def lstm_pass(inputs, state, params):
    """Gates and states of an LSTM, each gate by its own product."""
    blocks = [[params[name].chunk(4, dim=-1)[k] for name in ("W_x", "W_h", "b")] for k in range(4)]
    gates, states = [], [state]
    for X_t in inputs:
        H = states[-1][0]
        A = [torch.addmm(b, X_t, W_x) + torch.mm(H, W_h) for W_x, W_h, b in blocks]
        gates.append(torch.stack([A[0].sigmoid(), A[1].sigmoid(), A[2].tanh(), A[3].sigmoid()]))
        states.append(cells.lstm_step(X_t, states[-1], params)[1])
    return torch.stack(gates), *(torch.stack(values) for values in zip(*states, strict=True))


@pytest.fixture(scope="module")
def cases():
    return autograd_cases()


def outcome(module_source, cases):
    """ "survived", "found" by numbers or shapes that differ, or "broke" with an exception of its own."""
    try:
        module = load(module_source)
        for ours, theirs in cases:
            found = ours(module)
            try:
                assert_close(found, theirs, **EXACT)
            except (AssertionError, TypeError, ValueError):
                return "found"
    except Exception:
        return "broke"
    return "survived"


@pytest.fixture(scope="module")
def outcomes(cases):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as .T of a tensor with three dimensions
        return {mutant: outcome(apply(mutant), cases) for mutant in find_mutants(SOURCE)}


def test_the_formulas_themselves_agree_with_autograd(cases):
    for ours, theirs in cases:
        assert_close(ours(gradients), theirs, **EXACT)
    assert outcome(SOURCE, cases) == "survived"


def test_no_mutant_survives(outcomes):
    survivors = [describe(mutant) for mutant, result in outcomes.items() if result == "survived"]
    assert not survivors, "no test would notice:\n" + "\n".join(survivors)


def test_every_kind_of_mutant_was_made_in_every_formula(outcomes):
    assert {name for name, _ in formulas(SOURCE)} == set(FORMULAS)
    assert {m.formula for m in outcomes} == set(FORMULAS)
    kinds = {m.kind for m in outcomes if m.formula == "bptt"}
    assert kinds == {"sign swapped", "minus dropped", "minus added", "transpose dropped", "transpose added"}
    assert len(outcomes) > 100


def test_a_transpose_of_W_hh_is_found_by_its_numbers(outcomes):
    def results(kind, part):
        return [result for m, result in outcomes.items() if m.kind == kind and part in describe(m)]

    assert results("transpose dropped", "from_later = xi[t] * (dZ[t] @ W_hh)") == ["found"]
    assert results("transpose added", "Z[t] += H[t] @ (W_hh).T") == ["found"]
    assert results("transpose dropped", 'None] * params["W_hh"]') == ["found"]
    for name in ("W_xh", "W_hh", "W_hq"):  # the gradient as a whole
        assert set(results("transpose added", f'"{name}": (')) == {"found"}


def test_the_mutants_of_a_small_formula(monkeypatch):
    source = 'def mse(a, B):\n    a += 1  # µ\n    return -a @ B.T, f"{a - 1}"\n'
    changed = sorted(apply(mutant, source).split("\n", 1)[1] for mutant in find_mutants(source))
    rest = '    a += 1  # µ\n    return {}, f"{{a - 1}}"\n'
    first = '    a {}  # µ\n    return -a @ B.T, f"{{a - 1}}"\n'
    expected = [first.format("-= 1"), first.format("+= (-(1))")]
    expected += [rest.format(product) for product in (
        "a @ B.T", "-a @ B", "(-(-a)) @ B.T", "-a @ (-(B.T))", "(-a).T @ B.T", "(-(-a @ B.T))",
    )]  # fmt: skip
    expected.append('    a += 1  # µ\n    return -a @ B.T, (-(f"{a - 1}"))\n')
    assert changed == sorted(expected)
