"""The table of Kafka's messages: one readable text file an API, and the code that reads them.

A file begins with the API's key and name, the versions the codec knows, and the first flexible
version (KIP-482), if there is one. Then come the request's and the response's fields in the order
they travel in; deeper indentation holds the fields of a struct:

    api 19 CreateTopics
    versions 0-7
    flexible 5+

    request CreateTopicsRequest
      topics: []CreatableTopic
        name: string
      timeout_ms: int32 = 60000
      validate_only: bool 1+

Lines that begin with `#` say what a version brought.

A field is `name: type [versions] [= default] [tag N]`.

- Types: int8, int16, int32, int64, uint16, float64, bool, uuid, string, bytes, records (bytes that
  are handed on without a copy), the name of a struct, or `[]` before any of these. A struct named
  a second time has the fields it had before.
- Versions: `4+`, `0-12` or `3`; left out when the field exists wherever its struct does.
- `?` after the type allows null; `?7+` allows it from version 7 on.
- Defaults are Kafka's: 0, "", false, an empty list, and null where `= null` says so. One thing
  differs: a string, bytes or records that may be null in every version is null by default, because
  a response that leaves out its error message means "no message".
- `tag N`: an optional field of the tagged section at the end of the struct. A tagged struct is
  null (not sent) by default.

Field names are Kafka's, in snake_case; struct names are Kafka's, but for a response struct whose
name the request uses for different fields: it is called `Response…`.
"""
