"""The Python code of the guide, while an operator intervenes. What happens by itself, it goes through with jose."""

from tests.fixtures import DatabaseFactory, ServiceFactory
from tests.rotation import Ledger, PyJwtVerifier, columns, keys, quick, refusal, signed_in


async def test_no_token_is_refused_while_an_operator_rotates_and_the_algorithm_changes(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    first = await quick(service_factory)(database, workers="2")
    eddsa = await signed_in(first)
    verifier = PyJwtVerifier(first, cache_seconds=2)

    assert "is published and signs from" in await keys(database, "rotate")
    async with Ledger([first], [verifier]).kept() as ledger:
        await ledger.wait_for_keys(2)

        second = await quick(service_factory)(database, workers="2", signing_algorithm="ES256")
        everywhere = Ledger([first, second], [verifier, PyJwtVerifier(second, cache_seconds=2)])
        async with everywhere.kept():
            await everywhere.wait_for_keys(2)
            await everywhere.wait_for_checks(40)

    assert ledger.refused == everywhere.refused == []
    algorithms = [algorithm for _, algorithm, _ in await columns(database)]
    assert algorithms[:3] == ["EdDSA", "EdDSA", "ES256"]
    for service in (first, second):
        assert await refusal(service, eddsa.access_token) is None
