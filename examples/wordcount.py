"""Word count, the first program of every stream processor.

    python examples/wordcount.py

starts a broker inside this process, writes three lines, and prints how often each word occurred:

    flow       2
    rivers     1
    streams    2
    the        1
"""

import aliran

app = aliran.App("wordcount")

(
    app.stream("lines")
    .flat_map_values(str.split)
    .group_by(lambda key, word: word)
    .count(store="counts")
    .to_stream()
    .to("words")
)

if __name__ == "__main__":
    with app:
        for line in ["streams flow", "the rivers flow", "streams"]:
            app.send("lines", None, line)
        app.wait_until_idle()
        counts = dict(app.read("words", value=int))
        for word in sorted(counts):
            print(f"{word:<10} {counts[word]}")
