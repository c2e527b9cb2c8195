"""Word count, the first program of every stream processor.

    python examples/wordcount.py

starts a broker inside this process, writes three lines, and prints how often each word occurred:

    flow       2
    rivers     1
    streams    2
    the        1
"""

from aliran import App, StreamsBuilder


def build(builder: StreamsBuilder) -> None:
    """Lines → words → counts."""
    (
        builder.stream("lines")
        .flat_map_values(str.split)
        .group_by(lambda key, word: word)
        .count(store="counts")
        .to_stream()
        .to("words")
    )


def main() -> None:
    """Count the words of three lines on an embedded broker."""
    app = App("wordcount")
    build(app)
    with app:
        for line in ["streams flow", "the rivers flow", "streams"]:
            app.send("lines", None, line)
        app.wait_until_idle()
        for word, count in sorted(dict(app.read("words", value=int)).items()):
            print(f"{word:<10} {count}")


if __name__ == "__main__":
    main()
