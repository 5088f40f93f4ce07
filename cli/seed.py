"""The sample data: people with dollars and a history, and players with credits, made by ordinary operations on a ledger without users.

Ids, names, amounts and order are the same at every run; the wallets' UUIDs and the times are new.
"""

from typing import Final, NamedTuple

from ..engine import CreateAsset, CreateUser, Engine, Holding, Move, transfer
from ..engine.engine import now_us
from ..engine.identity import Access, Holder
from ..engine.ledger import User
from .service import ensure_asset

DOLLARS: Final = "USD"

CREDITS: Final = tuple(
    CreateAsset(
        code=code,
        id=number,
        name=name,
        aliases=(alias,),
        scale=2,
        transferable=False,
        min_amount=1,
        max_amount=100_000_000,
    )
    for number, code, name, alias in (
        (1, "GOLD", "Gold Coins", "GOLD_COINS"),
        (2, "DMND", "Diamonds", "DIAMONDS"),
        (3, "PTS", "Loyalty Points", "LOYALTY_POINTS"),
    )
)


class Person(NamedTuple):
    """A user with a login and a wallet in dollars."""

    username: str
    email: str
    password: str
    phone_number: str


PEOPLE: Final = (
    Person("john_doe", "john@example.com", "password123", "+1234567890"),
    Person("jane_smith", "jane@example.com", "password456", "+1987654321"),
    Person("amir_khan", "amir@example.com", "password789", "+1234567001"),
    Person("lena_novak", "lena@example.com", "password321", "+1234567002"),
    Person("marco_rossi", "marco@example.com", "password654", "+1234567003"),
    Person("yuki_tanaka", "yuki@example.com", "password987", "+1234567004"),
)
"""Users 1 to 6, in this order."""


class Payment(NamedTuple):
    """Dollars from one person to another; the outside stands as None."""

    source: str | None
    destination: str | None
    amount_minor: int
    description: str


PAYMENTS: Final = (
    Payment(None, "john_doe", 100_00, "Initial wallet load"),
    Payment(None, "jane_smith", 50_00, "Initial wallet load"),
    Payment(None, "amir_khan", 200_00, "Initial wallet load"),
    Payment(None, "lena_novak", 75_00, "Initial wallet load"),
    Payment(None, "marco_rossi", 120_00, "Initial wallet load"),
    Payment(None, "yuki_tanaka", 40_00, "Initial wallet load"),
    Payment("john_doe", "jane_smith", 25_00, "Transfer to jane_smith"),
    Payment("jane_smith", None, 20_00, "Groceries"),
    Payment("amir_khan", "john_doe", 30_00, "Concert tickets"),
    Payment("john_doe", None, 15_00, "Phone bill"),
    Payment("marco_rossi", "lena_novak", 12_50, "Shared lunch"),
    Payment("yuki_tanaka", "amir_khan", 10_00, "Cookbook"),
    Payment("lena_novak", None, 7_25, "Coffee and cake"),
    Payment("john_doe", "marco_rossi", 20_00, "Bicycle repair"),
    Payment("amir_khan", None, 45_90, "Electricity"),
    Payment("lena_novak", "yuki_tanaka", 5_75, "Shared taxi"),
    Payment("jane_smith", "yuki_tanaka", 10_00, "Birthday gift"),
    Payment(None, "john_doe", 30_00, "Wallet top-up"),
    Payment("marco_rossi", "jane_smith", 5_00, "Cinema"),
    Payment("yuki_tanaka", None, 12_00, "Museum"),
    Payment("amir_khan", "lena_novak", 8_00, "Lunch"),
    Payment("marco_rossi", None, 30_00, "Petrol"),
    Payment("lena_novak", "marco_rossi", 2_50, "Parking"),
    Payment(None, "yuki_tanaka", 20_00, "Wallet top-up"),
    Payment("amir_khan", None, 6_10, "Bakery"),
)


class Player(NamedTuple):
    """A user that an application knows by an id of its own, and what it has been given of each of CREDITS."""

    external_id: str
    name: str | None
    credits_minor: tuple[int, int, int]


PLAYERS: Final = (
    Player("user_alice", None, (1_000_00, 50_00, 500_00)),
    Player("user_bob", None, (500_00, 20_00, 250_00)),
    Player("user_001", "Alice", (1_000_00, 100_00, 2_000_00)),
    Player("user_002", "Bob", (500_00, 50_00, 1_000_00)),
)
"""Users 7 to 10, in this order."""


class NotEmpty(Exception):
    """The ledger has users already, so the sample data keeps away from it."""


async def fill(engine: Engine, access: Access) -> None:
    """Make the sample data. Raises NotEmpty, and Refusal where an asset of the ledger's stands in the way of one of these."""
    if engine.ledger.user_count:
        raise NotEmpty
    for credit in CREDITS:
        await engine.execute(credit)
    await ensure_asset(engine, DOLLARS)
    for person in PEOPLE:
        await _register(engine, access, person)
    for payment in PAYMENTS:
        await engine.execute(_move_of(engine, payment))
    for player in PLAYERS:
        await engine.execute(CreateUser(external_id=player.external_id, name=player.name))
        for credit, amount_minor in zip(CREDITS, player.credits_minor, strict=True):
            treasury = engine.ledger.asset(credit.code).treasury.id
            holding = Holding(credit.code, external_id=player.external_id)
            await engine.execute(transfer(treasury, holding, amount_minor, type="bonus", description="Welcome bonus"))


async def _register(engine: Engine, access: Access, person: Person) -> None:
    hashed = await access.hash_password(person.password)
    command = CreateUser(
        username=person.username, email=person.email, phone_number=person.phone_number, wallet_asset=DOLLARS
    )
    user = (await engine.execute(command)).subject
    assert isinstance(user, User)
    await access.set_password(Holder(user.id, user.created_at), hashed, now_us())


def _move_of(engine: Engine, payment: Payment) -> Move:
    source, destination = (
        engine.ledger.asset(DOLLARS).treasury.id if username is None else Holding(DOLLARS, user_id=user_id_of(username))
        for username in (payment.source, payment.destination)
    )
    return transfer(source, destination, payment.amount_minor, description=payment.description)


def user_id_of(username: str) -> int:
    """The id of one of the people."""
    return 1 + [person.username for person in PEOPLE].index(username)
