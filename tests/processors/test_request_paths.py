"""Paths: every form that a server may route to a handler is one of it; nothing else is."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.conditions import value_tests
from shipper_processors.request_paths import normalised_paths, without_dots
from shipper_schemas.rules import Matcher

LOGIN = "/api/v1/auth/login"
SAME = [
    "/api/v1/auth/%6cogin", "/api/v1/auth/%6Cogin", "/%61pi/v1/auth/login", "/api%2Fv1/auth/login", "/api/v1/auth/login/",
    "/api/v1/auth/login//", "//api/v1//auth/login", "/api/v1/auth/login;jsessionid=A1", "/api/v1/auth;x=1;y/login/",
    "/api/v1/./auth/login", "/api/v1/x/../auth/login", "/api/v1/%2e%2e/v1/auth/login", "/../api/v1/auth/login",
    "/api/v1/auth/login/.", "/api/v1/auth/login/x/..", "/api/v1/..;a/v1/auth/login", "/API/V1/Auth/Login",
    "http://example.org/api/v1/auth/login", "HTTPS://h:8443/api/v1/auth/%6cogin?x", "/api\\v1\\auth\\login", "/api/v1%5Cauth/login",
    "/api/v1/auth/%6cogin?next=/", "/api/v1/auth/Login#x", "/api/v1/a//../auth/login", "/api/v1/auth/a//../../login",
    "/api/v1/auth/login%20", "/api/v1/auth/login%09%20", "/api/v1/auth/login.json", "/api/v1/auth/Login.JSON/?x", "/api/v1/auth/%6cogin.json", "/api/v1/auth/login%00", "/api/v1/auth/login%00.png",
    "/api/v1/auth/%256cogin", "/api/v1/auth%252flogin", "/api/v1/%252e%252e/v1/auth/login%2520",
]  # fmt: skip
OTHER = [
    "/api/v1/auth/%25256cogin", "/api/v1/auth/login%3Fx", "/api/v1/auth/login%23", "/api/v1/auth/%00login", "/api/v1/auth/%6ogin",
    "/api/v1/auth/login%20x", "/api/v1/auth/login.jsonp", "/api/v1/auth/.json", "/api/v1/auth/login/.json", "/api/v1/auth/login/x", "/api/v1/auth", "/api/v1/auth/log\u0131n", "/api/v1/auth/%c4%b0login",
    "/x?/api/v1/auth/%6cogin", "http://h", "ftp://h/api/v1/auth/login", "/api/v1/auth/login/../x", "", "%", ";", "/%",
    "/api/v1/auth/logi%C0%EEn", "/api/v1/auth/login%3Bx",
]  # fmt: skip


def holds(path: str, paths: str = "tolerant", route: str = LOGIN) -> bool:
    """Return True if a path is on a route."""
    (test,) = value_tests("path", Matcher(route=route), paths)  # type: ignore[arg-type]
    return test(path)


@pytest.mark.parametrize("path", SAME)
def test_what_servers_route_alike_is_alike(path: str) -> None:
    """Decoded once or twice, without parameters, dots, repeated slashes and origin, in any letter case."""
    assert holds(path)


@pytest.mark.parametrize("path", OTHER)
def test_what_no_server_routes_there_is_not(path: str) -> None:
    """Encoded three times, with an encoded query, with other letters, or elsewhere."""
    assert not holds(path)
    assert not holds(path, "strict")


@pytest.mark.parametrize("path", SAME)
def test_strict_compares_as_logged(path: str) -> None:
    """Apart from the query and one trailing slash."""
    assert holds(path, "strict") == (path == f"{LOGIN}/")
    assert holds(f"{LOGIN}?x=%6c", "strict")


def test_a_variable_segment_is_one_segment_after_decoding() -> None:
    """As logged, an encoded slash is part of a segment; decoded, it is none."""
    assert holds("/patients/%37", route="/patients/{id}")
    assert holds("/Patients/a%20b;v=1", route="/patients/{id}")
    assert holds("/patients/a%2Fb", route="/patients/{id}"), "a server that decodes late"
    assert holds("/patients/a%2Fb", route="/patients/{id}/b"), "a server that decodes first"
    assert not holds("/patients//", route="/patients/{id}")
    assert not holds("/patients/%2e", route="/patients/{id}/x")


def test_a_route_is_normalised_as_well() -> None:
    """A template written with encoded or capital letters means the same path."""
    assert holds("/caf%c3%a9/Menu", route="/café/menu")
    assert holds("/café/menu", route="/caf%C3%A9/menu") is False, (
        "clean paths are compared with the template as written"
    )
    assert holds("/CAFÉ", route="/CAFÉ")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b/c/./../../g", "/a/g"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/..", "/"),
        ("/a/../..", "/"),
        ("/.a/..b", "/.a/..b"),
    ],
)
def test_dots_are_removed_as_the_standard_says(path: str, expected: str) -> None:
    """The examples of RFC 3986, section 5.2.4, and edges."""
    assert without_dots(path) == expected


@given(st.text("/.;%\\aA26fFcC?#", max_size=30))
def test_normalisation_ends_and_changes_nothing_twice(path: str) -> None:
    """Any text has at most four forms, without query; a form without percent signs stays what it is."""
    forms = list(normalised_paths(path))
    assert 1 <= len(forms) <= 4
    for form in forms:
        assert "//" not in form
        assert "\\" not in form
        if not set("%;?#").intersection(form) and form.startswith("/"):
            assert list(normalised_paths(form)) == [form]


@given(st.lists(st.sampled_from(["plain", "encoded", "upper"]), min_size=len(LOGIN), max_size=len(LOGIN)), st.data())
def test_any_spelling_of_the_login_is_a_login(kinds: list[str], data: st.DataObject) -> None:
    """Letters encoded or capital, with empty and dotted segments between: what a client may send to hide a login."""
    letters = []
    for letter, kind in zip(LOGIN, kinds, strict=True):
        if letter == "/":
            letters.append(data.draw(st.sampled_from(["/", "//", "/./", "/x/../", "%2F", ";p=1/", "\\"])))
        else:
            letters.append({"plain": letter, "encoded": f"%{ord(letter):02x}", "upper": letter.upper()}[kind])
    path = "".join(letters) + data.draw(st.sampled_from(["", "/", ";a=b", "?x=/", f"?{quote(LOGIN)}"]))
    assert holds(path if path.startswith("/") else f"/{path}")
