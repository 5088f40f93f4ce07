"""A wallet service as a good team would write it on FastAPI, SQLAlchemy 2, asyncpg and PostgreSQL. It speaks the digital wallet API.

A movement is one transaction: the wallets' rows are locked in the order of their ids, so that movements cannot deadlock; both
balances change in one statement; a movement and two entries are written. Statements are built once and prepared on each connection.
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    MetaData,
    Table,
    Text,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

TREASURY = 0

engine = create_async_engine(os.environ["PEER_DATABASE"], pool_size=16, max_overflow=0, pool_timeout=60)
metadata = MetaData()
users = Table(
    "users", metadata,
    Column("id", BigInteger, primary_key=True), Column("username", Text), Column("email", Text), Column("phone_number", Text),
    Column("password_hash", Text), Column("created_at", DateTime(timezone=True)),
)  # fmt: skip
wallets = Table(
    "wallets", metadata,
    Column("id", BigInteger, primary_key=True), Column("balance", BigInteger), Column("updated_at", DateTime(timezone=True)),
)  # fmt: skip
movements = Table(
    "movements", metadata,
    Column("id", BigInteger, primary_key=True), Column("source", BigInteger), Column("destination", BigInteger),
    Column("amount", BigInteger), Column("description", Text), Column("created_at", DateTime(timezone=True)),
)  # fmt: skip
entries = Table(
    "entries", metadata,
    Column("id", BigInteger, primary_key=True), Column("movement_id", BigInteger), Column("wallet_id", BigInteger),
    Column("amount", BigInteger), Column("balance_after", BigInteger), Column("created_at", DateTime(timezone=True)),
)  # fmt: skip

LOCK = (
    select(wallets.c.id, wallets.c.balance)
    .where(wallets.c.id.in_([bindparam("lower"), bindparam("higher")]))
    .order_by(wallets.c.id)
    .with_for_update()
)
MOVE = (
    update(wallets)
    .where(wallets.c.id.in_([bindparam("giver"), bindparam("taker")]))
    .values(
        balance=wallets.c.balance
        + case(
            (wallets.c.id == bindparam("giver"), -bindparam("moved", type_=BigInteger)),
            else_=bindparam("moved", type_=BigInteger),
        ),
        updated_at=func.now(),
    )
)
RECORD = insert(movements).returning(movements.c.id)
ENTER = insert(entries).returning(entries.c.id, sort_by_parameter_order=True)

Amount = Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=2)]
Description = Annotated[str | None, Field(max_length=500)]


class NewUser(BaseModel):
    username: Annotated[str, Field(min_length=1, max_length=50)]
    email: Annotated[str, Field(min_length=3, max_length=100, pattern=r"^[^@\s]+@[^@\s]+$")]
    password: Annotated[str, Field(min_length=8, max_length=128)]
    phone_number: Annotated[str | None, Field(max_length=15)] = None


class Money(BaseModel):
    amount: Amount
    description: Description = None


class Transfer(BaseModel):
    sender_user_id: int
    recipient_user_id: int
    amount: Amount
    description: Description = None


class User(BaseModel):
    user_id: int
    username: str
    email: str
    phone_number: str | None
    balance: float
    created_at: datetime


class Balance(BaseModel):
    user_id: int
    balance: float
    last_updated: datetime


class Credited(BaseModel):
    transaction_id: int
    user_id: int
    amount: float
    new_balance: float
    transaction_type: str


class Transferred(BaseModel):
    transfer_id: int
    sender_transaction_id: int
    recipient_transaction_id: int
    amount: float
    sender_new_balance: float
    recipient_new_balance: float
    status: str


class TransferShown(BaseModel):
    transfer_id: int
    sender_user_id: int
    recipient_user_id: int
    amount: float
    description: str | None
    status: str
    created_at: datetime


class TransactionShown(BaseModel):
    transaction_id: int
    user_id: int
    transaction_type: str
    amount: float
    description: str | None
    created_at: datetime


class TransactionList(BaseModel):
    transactions: list[TransactionShown]
    total: int
    page: int
    limit: int


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/version")
async def version() -> dict[str, str]:
    async with engine.connect() as connection:
        server = (await connection.exec_driver_sql("SHOW server_version")).scalar_one()
    return {"name": "fastapi-postgres", "postgresql": str(server)}


@app.post("/users", status_code=201)
async def create_user(body: NewUser) -> User:
    hashed = await asyncio.to_thread(_hashed, body.password)
    try:
        async with engine.begin() as connection:
            made = insert(users).returning(users.c.id, users.c.created_at)
            values = {
                "username": body.username,
                "email": body.email,
                "phone_number": body.phone_number,
                "password_hash": hashed,
            }
            row = (await connection.execute(made, values)).one()
            await connection.execute(insert(wallets), {"id": row.id})
    except IntegrityError:
        raise HTTPException(409, "the username or the email exists already") from None
    return User(
        user_id=row.id, username=body.username, email=body.email, phone_number=body.phone_number, balance=0.0,
        created_at=row.created_at,
    )  # fmt: skip


@app.get("/wallet/{user_id}/balance")
async def balance(user_id: int) -> Balance:
    async with engine.connect() as connection:
        row = (await connection.execute(select(wallets).where(wallets.c.id == user_id))).one_or_none()
    if row is None or user_id == TREASURY:
        raise HTTPException(404, "there is no such user")
    return Balance(user_id=user_id, balance=row.balance / 100, last_updated=row.updated_at)


@app.post("/wallet/{user_id}/add-money", status_code=201)
async def add_money(user_id: int, body: Money) -> Credited:
    amount = int(body.amount * 100)
    async with engine.begin() as connection:
        _, balances, ids = await move(connection, TREASURY, user_id, amount, body.description)
    return Credited(
        transaction_id=ids[1],
        user_id=user_id,
        amount=amount / 100,
        new_balance=balances[1] / 100,
        transaction_type="CREDIT",
    )


@app.post("/transfer", status_code=201)
async def transfer(body: Transfer) -> Transferred:
    if body.sender_user_id == body.recipient_user_id:
        raise HTTPException(400, "sender and recipient are the same")
    if TREASURY in (body.sender_user_id, body.recipient_user_id):
        raise HTTPException(404, "there is no such user")
    amount = int(body.amount * 100)
    async with engine.begin() as connection:
        movement, balances, ids = await move(
            connection, body.sender_user_id, body.recipient_user_id, amount, body.description
        )
    return Transferred(
        transfer_id=movement, sender_transaction_id=ids[0], recipient_transaction_id=ids[1], amount=amount / 100,
        sender_new_balance=balances[0] / 100, recipient_new_balance=balances[1] / 100, status="completed",
    )  # fmt: skip


@app.get("/transfer/{transfer_id}")
async def show_transfer(transfer_id: int) -> TransferShown:
    async with engine.connect() as connection:
        row = (await connection.execute(select(movements).where(movements.c.id == transfer_id))).one_or_none()
    if row is None:
        raise HTTPException(404, "there is no such transfer")
    return TransferShown(
        transfer_id=row.id, sender_user_id=row.source, recipient_user_id=row.destination, amount=row.amount / 100,
        description=row.description, status="completed", created_at=row.created_at,
    )  # fmt: skip


@app.get("/transactions/detail/{transaction_id}")
async def show_transaction(transaction_id: int) -> TransactionShown:
    async with engine.connect() as connection:
        row = (await connection.execute(_shown().where(entries.c.id == transaction_id))).one_or_none()
    if row is None:
        raise HTTPException(404, "there is no such transaction")
    return _transaction(row)


@app.get("/transactions/{user_id}")
async def list_transactions(
    user_id: int, page: Annotated[int, Query(ge=1)] = 1, limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> TransactionList:
    wanted = (
        _shown()
        .where(entries.c.wallet_id == user_id)
        .order_by(entries.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    async with engine.connect() as connection:
        total = (
            await connection.execute(select(func.count()).select_from(entries).where(entries.c.wallet_id == user_id))
        ).scalar_one()
        rows = (await connection.execute(wanted)).all()
    return TransactionList(transactions=[_transaction(row) for row in rows], total=total, page=page, limit=limit)


async def move(
    connection: AsyncConnection, source: int, destination: int, amount: int, description: str | None
) -> tuple[int, tuple[int, int], list[int]]:
    """Move money inside the transaction of the connection: the movement's id, both balances after it, both entries' ids."""
    locked = await connection.execute(LOCK, {"lower": min(source, destination), "higher": max(source, destination)})
    held = {row.id: row.balance for row in locked}
    if len(held) != 2:
        raise HTTPException(404, "there is no such user")
    if source != TREASURY and held[source] < amount:
        raise HTTPException(400, "Insufficient balance")
    after = (held[source] - amount, held[destination] + amount)
    await connection.execute(MOVE, {"giver": source, "taker": destination, "moved": amount})
    values = {"source": source, "destination": destination, "amount": amount, "description": description}
    movement = (await connection.execute(RECORD, values)).scalar_one()
    sides = [
        {"movement_id": movement, "wallet_id": source, "amount": -amount, "balance_after": after[0]},
        {"movement_id": movement, "wallet_id": destination, "amount": amount, "balance_after": after[1]},
    ]
    entered = (await connection.execute(ENTER, sides)).scalars().all()
    return movement, after, list(entered)


def _shown() -> Any:
    return select(
        entries.c.id,
        entries.c.wallet_id,
        entries.c.amount,
        entries.c.created_at,
        movements.c.source,
        movements.c.description,
    ).join(movements, movements.c.id == entries.c.movement_id)


def _transaction(row: Any) -> TransactionShown:
    kind = "CREDIT" if row.source == TREASURY else "TRANSFER_IN" if row.amount > 0 else "TRANSFER_OUT"
    return TransactionShown(
        transaction_id=row.id, user_id=row.wallet_id, transaction_type=kind, amount=abs(row.amount) / 100,
        description=row.description, created_at=row.created_at,
    )  # fmt: skip


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"
