from bulb.invoke import lineage

A, B = "arn:aws:lambda:us-east-1:000000000000:function:a", "arn:aws:lambda:us-east-1:000000000000:function:b"
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def test_the_first_of_a_chain_was_not_invoked_before() -> None:
    header, before = lineage.passed(HEADER, A)
    assert (header, before) == (f"{HEADER};Lineage={lineage.mark(A)}:0", 0)


def test_each_function_is_counted_by_itself() -> None:
    header = HEADER
    for number in range(20):
        header, before_a = lineage.passed(header, A)
        header, before_b = lineage.passed(header.replace("|", "%7C"), B)
        assert (before_a, before_b) == (number, number)
    assert header.startswith(HEADER + ";Lineage="), "what else the header says goes on"


def test_nonsense_counts_for_nothing() -> None:
    for nonsense in ("", "x", "::", f"{lineage.mark(A)}:-1", f"{lineage.mark(A)}:9999999999", "é:1", "|||"):
        assert lineage.passed(f"{HEADER};Lineage={nonsense}", A) == (f"{HEADER};Lineage={lineage.mark(A)}:0", 0)


def test_a_long_chain_of_functions_does_not_make_the_header_longer() -> None:
    header = HEADER
    for number in range(100):
        header, _ = lineage.passed(header, f"{A}{number}")
    assert len(header) < 300
