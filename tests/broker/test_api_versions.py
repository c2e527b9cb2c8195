import struct

from raw_client import RawClient

from aliran.broker.dispatch import handlers
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.codec import api_versions, decode_response
from aliran.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse


def test_lists_exactly_the_handlers(client: RawClient) -> None:
    response = client.call(ApiVersionsRequest(), 0)
    listed = {each.api_key: (each.min_version, each.max_version) for each in response.api_keys}
    assert response.error_code == ErrorCode.NONE
    assert listed == {key: (row.min_version, row.max_version) for key, row in handlers().items()}
    assert listed[ApiKey.PRODUCE] == (0, 11)
    assert listed[ApiKey.FETCH] == (4, 12)


def test_every_advertised_version_is_known_to_the_codec() -> None:
    for key, row in handlers().items():
        lowest, highest = api_versions(key)
        assert lowest <= row.accept_min_version
        assert row.max_version <= highest


def test_unknown_version_gets_the_list_in_version_0(client: RawClient) -> None:
    header = struct.pack(">hhihx", ApiKey.API_VERSIONS, 99, 7, -1)
    client.send_bytes(struct.pack(">i", len(header)) + header)
    correlation_id, response = decode_response(ApiKey.API_VERSIONS, 0, client.receive_frame())
    assert isinstance(response, ApiVersionsResponse)
    assert correlation_id == 7
    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert ApiKey.API_VERSIONS in [each.api_key for each in response.api_keys]
    # the connection goes on
    assert client.call(ApiVersionsRequest(), 2).error_code == ErrorCode.NONE


def test_client_names_must_be_plain_words(client: RawClient) -> None:
    good = ApiVersionsRequest(client_software_name="librdkafka", client_software_version="2.15.0")
    bad = ApiVersionsRequest(client_software_name="-evil name", client_software_version="1")
    assert client.call(good, 4).error_code == ErrorCode.NONE
    assert client.call(bad, 3).error_code == ErrorCode.INVALID_REQUEST
    assert client.call(ApiVersionsRequest(), 3).error_code == ErrorCode.INVALID_REQUEST


def test_no_features_are_finalized(client: RawClient) -> None:
    request = ApiVersionsRequest(client_software_name="a", client_software_version="1")
    response = client.call(request, 4)
    assert response.finalized_features == []
    assert response.finalized_features_epoch == -1
