"""What artifacts are called: canonical JSON, cache keys, ids, scopes, keys of the store."""

from __future__ import annotations

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from artifacts import Scope, keys
from artifacts.canonical import canonical, is_id, make_id
from artifacts.errors import InvalidScope, MissingScope, PrefixViolation
from tests.unit.registry_bench import ACME, OTHER, key


def test_canonical_json_follows_rfc_8785() -> None:
    # the RFC's own example, section 3.2.3
    value = {"numbers": [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27], "literals": [None, True, False]}
    assert canonical(value) == b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_canonical_json_is_the_librarys(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, -(2**53), b"x", {1: 2}, {"a": [object()]}, "\ud800"]
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical(value)


@pytest.mark.parametrize("value", [2**53 - 1, 1 - 2**53, 1e-6, 1e-7, 1e21, 1e22, -0.0, 5e-324, 0.1, 1 / 3])
def test_numbers_at_the_edges_are_written_as_the_library_writes_them(value: float) -> None:
    assert canonical([value]) == rfc8785.dumps([value])


def test_cache_key_is_the_sha256_of_the_canonical_tuple() -> None:
    text = (
        '{"backend":"cpu","backend_version":"1","inputs":["asset_aaaaaaaa"],"operation":"image_masks",'
        '"parameters":{"a":1,"b":2.5},"scope":["t_acme","dev"],"weights_id":null}'
    )
    assert key() == hashlib.sha256(text.encode()).hexdigest()
    assert key(parameters={"b": 2.5, "a": 1}) == key()


@pytest.mark.parametrize(
    "change",
    [
        {"scope": OTHER},
        {"inputs": ["asset_bbbbbbbb"]},
        {"operation": "other"},
        {"parameters": {"a": 2}},
        {"backend": "x"},
        {"backend_version": "2"},
        {"weights_id": "w"},
    ],
)
def test_each_part_of_the_identity_makes_another_key(change: dict[str, object]) -> None:
    assert key(**change) != key()


def test_ids_have_the_documented_shape() -> None:
    assert is_id(make_id("mask", "a", 1))
    assert not any(map(is_id, ["mask_../../x", "MASK_aaaaaaaa", "mask_aaaa", "mask_" + "a" * 65, "mask_1111111181"]))


@pytest.mark.parametrize("tenant", ["acme", "t_", "t_unknown", "t_Acme", "t_a/b", "t_" + "a" * 65, "t_a\n"])
def test_malformed_tenants_are_refused(tenant: str) -> None:
    with pytest.raises(InvalidScope):
        Scope(tenant, "dev")


def test_missing_scope_is_its_own_error() -> None:
    with pytest.raises(MissingScope):
        Scope("", "dev")
    with pytest.raises(InvalidScope):
        Scope("t_a", "production")
    assert Scope("t_" + "a" * 63, "prod").prefix.endswith("/prod/")


@pytest.mark.parametrize("bad", ["tenants/t_other/dev/x", "x", "tenants/t_acme/dev/../x", "tenants/t_acme/dev//x"])
def test_keys_outside_the_scope_are_refused(bad: str) -> None:
    with pytest.raises(PrefixViolation):
        keys.check(ACME, bad)
