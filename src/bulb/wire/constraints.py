"""The model's constraints: required members, enums, lengths, ranges, patterns; in the wording AWS's front ends use.

Checks are compiled once per shape. Patterns are Java's: they are translated where Python's differ, and one that cannot
be is not checked (tests/wire/test_constraints.py lists those there are: none today).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from bulb.core.errors import AwsError
from bulb.wire.catalog import Service
from bulb.wire.shapes import Shape

Violations = list[str]
_Check = Callable[[Any, str, Violations], None]
_MAX_SHOWN = 1_024
# Members whose value the service judges itself, because it answers with a code and a text of its own, or takes more
# than its model says: S3 has `Prefix` for `prefix`, and shows it so itself.
_JUDGED_BY_SERVICE = {
    ("lambda", "CreateFunction"): frozenset({"Runtime"}),
    ("lambda", "UpdateFunctionConfiguration"): frozenset({"Runtime"}),
    ("s3", "CreateBucket"): frozenset({"CreateBucketConfiguration.LocationConstraint"}),
    ("s3", "PutBucketNotificationConfiguration"): frozenset({"NotificationConfiguration"}),
    ("s3", "PutBucketVersioning"): frozenset({"VersioningConfiguration.Status"}),
}

# What Java's regular expressions have and Python's do not.
_POSIX = {
    r"\p{Alpha}": "a-zA-Z",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Digit}": "0-9",
    r"\p{Lower}": "a-z",
    r"\p{Upper}": "A-Z",
    r"\p{Punct}": r"!-/:-@\[-`{-~",
    r"\p{Graph}": "!-~",
    r"\p{Print}": " -~",
    r"\p{Blank}": r" \t",
    r"\p{Space}": r"\s",
    r"\p{ASCII}": "\\x00-\\x7f",
    r"\p{XDigit}": "0-9a-fA-F",
}
# Unicode categories as near as `re` comes: letters and digits are what \w has, separators what \s has.
_UNICODE = {
    "L": r"^\W\d_",
    "N": r"\d",
    "Nd": r"\d",
    "Z": r"\s",
    "Zs": " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    "S": r"$+<=>^`|~\u00a2-\u00a9\u00ac\u00ae-\u00b1\u00b4\u00d7\u00f7\u20a0-\u20cf\u2100-\u2bff\U0001f000-\U0001faff",
    "P": r"!-#%-*,-/:;?@\[-\]_{}\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010-\u205e\u3001-\u3011",
    "M": r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u20d0-\u20ff\ufe20-\ufe2f",
    "C": r"\x00-\x1f\x7f-\x9f",
    "Cntrl": r"\x00-\x1f\x7f",
    "IsLetter": r"^\W\d_",
}


def violations(params: Mapping[str, Any], shape: Shape) -> Violations:
    """What `params` breaks of `shape`, each as one sentence without a full stop."""
    found: Violations = []
    _checker(shape)(params, "", found)
    return found


def check(service: Service, operation_name: str, params: Mapping[str, Any]) -> None:
    """Raise the AwsError 400 the service's front end answers when `params` break the model.

    S3 looks at required members and enums only, SQS only at required members; everything else they judge themselves,
    with codes of their own.
    """
    shape = service.operation(operation_name).input
    if shape is None:
        return
    if service.name == "sqs":
        _check_required(shape, params, "")
        return
    if service.name == "s3" and shape.payload in shape.required and params.get(shape.payload or "") is None:
        raise AwsError("MissingRequestBodyError", "Request Body is empty")
    judged = _JUDGED_BY_SERVICE.get((service.name, operation_name), frozenset())
    found: Violations = []
    _checker(shape, service.name != "s3", judged)(params, "", found)
    if found:
        raise _refusal(service, found)


def _check_required(shape: Shape, params: Mapping[str, Any], path: str) -> None:
    """SQS's own words for what is missing; the entries of a batch are counted from one."""
    for name in shape.required:
        if params.get(name) is None:
            member = shape.members[name]
            if member.type == "list" and member.member.type == "structure":  # no batch is one without entries
                message = f"There should be at least one {member.member.name} in the request."
                raise AwsError("EmptyBatchRequest", message)
            raise AwsError("MissingParameter", f"The request must contain the parameter {path}{name}.")
    for name, member in shape.members.items():
        if member.type == "list":
            for number, entry in enumerate(params.get(name) or (), 1):
                if member.member.type == "structure":
                    _check_required(member.member, entry or {}, f"{path}{member.member.name}.{number}.")
                elif entry is None:
                    raise AwsError("MissingParameter", f"The request must contain the parameter {path}{name}.{number}.")


def _refusal(service: Service, found: Violations) -> AwsError:
    if service.name == "s3":
        return AwsError("InvalidArgument", "; ".join(found), status=400)
    number = len(found)
    text = f"{number} validation error{'s' if number > 1 else ''} detected: " + "; ".join(found)
    code = "ValidationError" if service.protocol in ("query", "smithy-rpc-v2-cbor") else "ValidationException"
    return AwsError(code, text, status=400)


@lru_cache(maxsize=None)  # noqa: UP033 - as many entries as the models have shapes
def _checker(shape: Shape, lengths: bool = True, judged: frozenset[str] = frozenset()) -> _Check:
    """What checks a shape; of the members `judged`, given by their paths, only whether they are there."""
    return _Compiler(lengths, [_member(shape, path) for path in judged]).of(shape)


def _member(shape: Shape, path: str) -> Shape:
    for name in path.split("."):
        shape = shape.members[name]
    return shape


class _Compiler:
    """Turns shapes into checks. A shape with nothing to check, or one of `judged`, becomes no check at all."""

    def __init__(self, lengths: bool, judged: Iterable[Shape]) -> None:
        self._lengths = lengths
        self._compiled: dict[Shape, _Check] = {shape: _all([]) for shape in judged}

    def of(self, shape: Shape) -> _Check:
        check_ = self._compiled.get(shape)
        if check_ is None:
            inner: list[_Check] = []
            check_ = self._compiled[shape] = _all(inner)  # Known before its parts, for shapes that hold themselves.
            inner.extend(self._parts(shape))
        return check_

    def _parts(self, shape: Shape) -> Iterable[_Check]:
        if shape.is_document:
            return
        if self._lengths and shape.type in ("list", "map", "string", "blob"):
            yield from _length_checks(shape)
        match shape.type:
            case "structure":
                yield self._structure(shape)
            case "list":
                yield self._list(shape)
            case "map":
                yield self._map(shape)
            case "string":
                yield from _string_checks(shape, patterns=self._lengths)
            case "integer" | "long" | "float" | "double" if self._lengths:
                yield from _range_checks(shape)

    def _structure(self, shape: Shape) -> _Check:
        required = [(name, _lower_camel(name)) for name in shape.required]
        members = {name: (_lower_camel(name), self.of(member)) for name, member in shape.members.items()}

        def run(value: Any, path: str, found: Violations) -> None:
            prefix = f"{path}." if path else ""
            for name, shown in required:
                if value.get(name) is None:
                    found.append(_sentence("null", prefix + shown, "Member must not be null", quoted=False))
            for name, item in value.items():
                if item is not None and (member := members.get(name)) is not None:
                    member[1](item, prefix + member[0], found)

        return run

    def _list(self, shape: Shape) -> _Check:
        member = self.of(shape.member)

        def run(value: Any, path: str, found: Violations) -> None:
            for number, item in enumerate(value, 1):
                if item is None:
                    found.append(_sentence("null", f"{path}.{number}.member", "Member must not be null", quoted=False))
                else:
                    member(item, f"{path}.{number}.member", found)

        return run

    def _map(self, shape: Shape) -> _Check:
        key_check, value_check = self.of(shape.key), self.of(shape.value)
        keys, values = self._all_of("Map keys", shape.key), self._all_of("Map value", shape.value)

        def run(value: Any, path: str, found: Violations) -> None:
            broken: Violations = []
            for key in value:
                key_check(key, path, broken)
            if broken:
                found.append(_sentence(value, path, keys))
            broken = []
            for key, item in value.items():
                if item is not None:
                    value_check(item, f"{path}.{key}.member", broken)
            if broken and values:
                found.append(_sentence(value, path, values))
            else:
                found.extend(broken)

        return run

    def _all_of(self, what: str, shape: Shape) -> str:
        """How front ends speak of keys and values: the whole map, and everything each of them must be.

        Empty for what has parts of its own, whose mistakes are told one by one.
        """
        if shape.type in ("structure", "list", "map"):
            return ""
        parts: list[str] = []
        if self._lengths:
            kind = "length" if shape.type in ("string", "blob") else "value"
            least, most, pattern = (shape.traits.get(name) for name in ("min", "max", "pattern"))
            parts += [f"Member must have {kind} less than or equal to {most}"] if most is not None else []
            parts += [f"Member must have {kind} greater than or equal to {least}"] if least is not None else []
            parts += [f"Member must satisfy regular expression pattern: {pattern}"] if pattern else []
        if enum := shape.traits.get("enum"):
            parts.append(f"Member must satisfy enum value set: [{', '.join(enum)}]")
        return f"{what} must satisfy constraint: [{', '.join([*parts, 'Member must not be null'])}]"


def _all(checks: list[_Check]) -> _Check:
    def run(value: Any, path: str, found: Violations) -> None:
        for one in checks:
            one(value, path, found)

    return run


def _length_checks(shape: Shape) -> Iterable[_Check]:
    least, most = shape.traits.get("min"), shape.traits.get("max")

    def run(value: Any, path: str, found: Violations) -> None:
        if not hasattr(value, "__len__"):
            return  # A stream: its length is the service's business.
        length = len(value)
        if least is not None and length < least:
            found.append(_sentence(value, path, f"Member must have length greater than or equal to {least}"))
        if most is not None and length > most:
            found.append(_sentence(value, path, f"Member must have length less than or equal to {most}"))

    if least is not None or most is not None:
        yield run


def _range_checks(shape: Shape) -> Iterable[_Check]:
    least, most = shape.traits.get("min"), shape.traits.get("max")

    def run(value: Any, path: str, found: Violations) -> None:
        if least is not None and value < least:
            found.append(_sentence(value, path, f"Member must have value greater than or equal to {least}"))
        if most is not None and value > most:
            found.append(_sentence(value, path, f"Member must have value less than or equal to {most}"))

    if least is not None or most is not None:
        yield run


def _string_checks(shape: Shape, patterns: bool) -> Iterable[_Check]:
    if enum := shape.traits.get("enum"):
        allowed = frozenset(enum)
        wanted = f"Member must satisfy enum value set: [{', '.join(enum)}]"

        def run_enum(value: Any, path: str, found: Violations) -> None:
            if value not in allowed:
                found.append(_sentence(value, path, wanted))

        yield run_enum
    pattern = shape.traits.get("pattern")
    if patterns and pattern and (compiled := compile_pattern(pattern)) is not None:

        def run_pattern(value: Any, path: str, found: Violations) -> None:
            if compiled.fullmatch(value) is None:
                found.append(_sentence(value, path, f"Member must satisfy regular expression pattern: {pattern}"))

        yield run_pattern


def _sentence(value: Any, path: str, constraint: str, quoted: bool = True) -> str:
    shown = _shown(value)
    shown = f"'{shown}'" if quoted else shown
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        value = "[" + ", ".join(_shown(item) for item in value) + "]"
    elif isinstance(value, dict):
        value = "{" + ", ".join(f"{key}={_shown(item)}" for key, item in value.items()) + "}"
    return str(value)[:_MAX_SHOWN]


def _lower_camel(name: str) -> str:
    """`FunctionName` as `functionName`, `KMSKeyArn` as `kMSKeyArn`: Java's bean rule, which AWS shows."""
    return name[:1].lower() + name[1:]


@lru_cache(maxsize=None)  # noqa: UP033 - as many entries as the models have patterns
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """A Java pattern as Python's, to be matched in full; None where there is no way to say it."""
    try:
        return re.compile(_translate(pattern))
    except re.error:
        return None


# Java matches UTF-16: what is past the first plane is written as the two halves of its pairs.
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"


def _translate(pattern: str) -> str:
    for java, python in _POSIX.items():
        pattern = _replace_class(pattern, java, python)
    for name, python in _UNICODE.items():
        for java in (rf"\p{{{name}}}", rf"\p{{Is{name}}}"):
            pattern = _replace_class(pattern, java, python)
    pattern = pattern.replace(_SURROGATES, r"\U00010000-\U0010ffff")
    # A hyphen after a class is itself in Java, and an impossible range in Python.
    pattern = re.sub(r"(\\[wds])-(?=[^\]])", r"\1\-", pattern)
    pattern = re.sub(r"\\x\{([0-9A-Fa-f]+)\}", lambda code: rf"\U{int(code[1], 16):08x}", pattern)
    return pattern.replace(r"\Z", "$").replace(r"\z", "$").replace(r"\h", r"[ \t]")


def _replace_class(pattern: str, java: str, python: str) -> str:
    """Write `python` for `java`: bare inside brackets, in brackets of its own outside."""
    parts = pattern.split(java)
    built = parts[0]
    for part in parts[1:]:
        inside = _open_bracket(built)
        if inside and python.startswith("^"):
            # Letters inside a larger class: \w is the nearest set that is not a negation.
            built += r"\w" + part
        else:
            built += (python if inside else f"[{python}]") + part
    return built


def _open_bracket(text: str) -> bool:
    inside = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "[":
            inside = True
        elif char == "]":
            inside = False
    return inside
