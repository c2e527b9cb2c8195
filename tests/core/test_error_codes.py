from kio.schema.errors import ErrorCode as KioErrorCode

from aliran.core.error_codes import ErrorCode


def test_names_numbers_and_retriability_agree_with_kio() -> None:
    ours = {code.name: (code.value, code.retriable) for code in ErrorCode}
    theirs = {code.name.upper(): (code.value, code.retriable) for code in KioErrorCode}
    assert ours == theirs


def test_every_code_has_its_own_sentence() -> None:
    texts = [code.text for code in ErrorCode]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") for text in texts)


def test_codes_are_plain_numbers_on_the_wire() -> None:
    assert int(ErrorCode.UNSUPPORTED_VERSION) == 35
    assert ErrorCode(35) is ErrorCode.UNSUPPORTED_VERSION
    assert (35).to_bytes(2, "big") == int(ErrorCode.UNSUPPORTED_VERSION).to_bytes(2, "big")


def test_a_code_from_a_newer_broker_reads_as_unknown() -> None:
    assert ErrorCode.of(6) is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert ErrorCode.of(30_000) is ErrorCode.UNKNOWN_SERVER_ERROR
