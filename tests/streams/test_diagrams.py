"""Pictures of topologies."""

from __future__ import annotations

from aliran.streams import StreamsBuilder, Topology


def counting() -> Topology:
    builder = StreamsBuilder()
    words = builder.stream("words", name="read")
    counts = words.group_by_key().count(store="counts", name="count").to_stream(name="stream")
    counts.to("out", name="write", value=int)
    return builder.build()


def test_mermaid() -> None:
    assert counting().to_mermaid().splitlines() == [
        "flowchart TD",
        '  subgraph p0["Sub-topology 0"]',
        '    n0["read"]',
        '    n1["count"]',
        '    n2["stream"]',
        '    n3["write"]',
        '    s0[("counts")]',
        "  end",
        '  t0(["words"])',
        '  t1(["out"])',
        "  t0 --> n0",
        "  n0 --> n1",
        "  n1 -.- s0",
        "  n1 --> n2",
        "  n3 --> t1",
        "  n2 --> n3",
    ]


def test_dot() -> None:
    text = counting().to_dot()
    assert text.startswith("digraph topology {\n")
    assert text.endswith("}\n")
    for line in (
        '    label="Sub-topology 0";',
        '    s0 [label="counts", shape=cylinder];',
        '  t0 [label="words", shape=oval];',
        "  t0 -> n0;",
        "  n0 -> n1;",
        "  n1 -> s0 [dir=none, style=dashed];",
        "  n3 -> t1;",
    ):
        assert line in text.splitlines()


def test_topics_chosen_per_record() -> None:
    builder = StreamsBuilder()
    builder.stream("in").to(lambda key, value, context: "out", name="pick")
    assert '(["chosen by pick"])' in builder.build().to_mermaid()
    assert '[label="chosen by pick", shape=oval]' in builder.build().to_dot()
