"""The directory: making and changing assets, users and wallets. Each turn is synchronous and ends in a draft or a refusal.

Names (codes, ids, usernames, e-mail addresses) are unique. One that is claimed by a record in flight is neither free nor taken yet, so the
command waits until that record has settled.
"""

from collections.abc import Callable, Collection

import msgspec

from .commands import Close, CreateAsset, CreateUser, Freeze, OpenWallet, Unfreeze, UpdateUser
from .draft import Draft, Name, Undecided
from .ledger import SYSTEM, Ledger, User, email_key
from .limits import AMOUNT_MAX, ASSET_AMOUNT_MAX_DEFAULT, SCALE_MAX
from .records import (
    ASSET_CREATED,
    USER_CREATED,
    USER_UPDATED,
    WALLET_CLOSED,
    WALLET_FROZEN,
    WALLET_OPENED,
    WALLET_UNFROZEN,
    AssetCreated,
    UserCreated,
    UserUpdated,
    WalletChanged,
    WalletOpened,
)
from .refusals import Refusal, RefusalCode
from .wallet import Asset, Wallet


class Directory:
    """Drafts every command that is no movement. `claimed` holds the names that records in flight will make."""

    def __init__(
        self,
        ledger: Ledger,
        claimed: Collection[Name],
        new_id: Callable[[], str],
        reserved_asset_ids: Collection[int],
    ) -> None:
        self._ledger = ledger
        self._claimed = claimed
        self._new_id = new_id
        self._reserved_asset_ids = frozenset(reserved_asset_ids)

    # ---------------------------------------------------------------------------------------------------- assets

    def create_asset(self, command: CreateAsset) -> Draft:
        """Raises Refusal, Undecided."""
        max_amount = ASSET_AMOUNT_MAX_DEFAULT if command.max_amount is None else command.max_amount
        self._check_asset(command, max_amount)
        asset_id = self._free_asset_id() if command.id is None else command.id
        names: list[Name] = [("asset_name", name) for name in (command.code, *command.aliases)]
        for _, name in names:
            if self._ledger.has_asset_name(str(name)):
                raise Refusal(RefusalCode.ASSET_EXISTS, f"An asset is named {name!r} already.")
        if self._ledger.has_asset(asset_id):
            raise Refusal(RefusalCode.ASSET_EXISTS, f"An asset has the id {asset_id} already.")
        draft = Draft(ASSET_CREATED)
        # A free id is drawn anew at each turn, so assets are made one at a time.
        self._claim(draft, ("asset", None), *names)
        number = self._ledger.next_wallet
        draft.wallets = [WalletOpened(number, self._new_id(), SYSTEM, asset_id)]
        draft.assets = [
            AssetCreated(
                id=asset_id,
                code=command.code,
                name=command.name if command.name is not None else command.code,
                scale=command.scale,
                transferable=command.transferable,
                min_amount=command.min_amount,
                max_amount=max_amount,
                treasury=number,
                aliases=command.aliases,
                active=command.active,
            )
        ]
        return draft

    def _check_asset(self, command: CreateAsset, max_amount: int) -> None:
        faults = []
        if not 0 <= command.scale <= SCALE_MAX:
            faults.append(("/scale", f"A scale is 0 to {SCALE_MAX}."))
        if not 1 <= command.min_amount <= max_amount:
            faults.append(("/min_amount", "The minimum is at least 1 and at most the maximum."))
        if max_amount > AMOUNT_MAX:
            faults.append(("/max_amount", f"The maximum is at most {AMOUNT_MAX}."))
        if command.id is not None and not 0 < command.id <= AMOUNT_MAX:
            faults.append(("/id", "An asset's id is a positive integer."))
        if len({command.code, *command.aliases}) != 1 + len(command.aliases):
            faults.append(("/aliases", "Code and aliases differ from each other."))
        if faults:
            raise Refusal(RefusalCode.INVALID_REQUEST, fields=tuple(faults))

    def _free_asset_id(self) -> int:
        asset_id = 1
        while self._ledger.has_asset(asset_id) or asset_id in self._reserved_asset_ids:
            asset_id += 1
        return asset_id

    # ----------------------------------------------------------------------------------------------------- users

    def create_user(self, command: CreateUser) -> Draft:
        """Raises Refusal, Undecided."""
        asset = None if command.wallet_asset is None else self._ledger.asset(command.wallet_asset)
        if command.external_id is not None and self._ledger.user_with_external_id(command.external_id) is not None:
            raise Refusal(RefusalCode.USER_EXISTS, f"A user has the external id {command.external_id!r} already.")
        self._check_free(command.username, command.email, None)
        draft = Draft(USER_CREATED)
        if command.external_id is not None:
            self._claim(draft, ("external_id", command.external_id))
        self._claim_names(draft, command.username, command.email)
        user_id = self._ledger.next_user
        draft.users = [
            UserCreated(
                user_id, command.external_id, command.username, command.email, command.phone_number, command.name
            )
        ]
        if asset is not None:
            draft.wallets = [WalletOpened(self._ledger.next_wallet, self._new_id(), user_id, asset.id)]
        return draft

    def update_user(self, command: UpdateUser) -> Draft:
        """Raises Refusal, Undecided."""
        user = self._ledger.user(command.user_id)
        change = UserUpdated(
            user.id,
            user.username if command.username is msgspec.UNSET else command.username,
            user.email if command.email is msgspec.UNSET else command.email,
            user.phone_number if command.phone_number is msgspec.UNSET else command.phone_number,
            user.name if command.name is msgspec.UNSET else command.name,
        )
        draft = Draft(USER_UPDATED)
        # What stays as it is rests on the durable user, so its changes are made one at a time.
        self._claim(draft, ("user", user.id))
        self._check_free(change.username, change.email, user)
        self._claim_names(draft, change.username, change.email)
        draft.user_changes = [change]
        return draft

    def _check_free(self, username: str | None, email: str | None, own: User | None) -> None:
        if username is not None and _is_other(self._ledger.user_with_username(username), own):
            raise Refusal(RefusalCode.USER_EXISTS, f"The username {username!r} is taken.", member="username")
        if email is not None and _is_other(self._ledger.user_with_email(email), own):
            raise Refusal(RefusalCode.USER_EXISTS, f"The e-mail address {email!r} is taken.", member="email")

    def _claim_names(self, draft: Draft, username: str | None, email: str | None) -> None:
        if username is not None:
            self._claim(draft, ("username", username))
        if email is not None:
            self._claim(draft, ("email", email_key(email)))

    # --------------------------------------------------------------------------------------------------- wallets

    def open_wallet(self, command: OpenWallet) -> Draft:
        """Raises Refusal, Undecided."""
        asset = self._ledger.asset(command.asset)
        user = self._ledger.user(command.user_id)
        existing = self._ledger.wallet_of(user.id, asset)
        if existing is not None:
            raise Refusal(
                RefusalCode.WALLET_EXISTS, f"User {user.id} has a wallet in {asset.code} already.", wallet=existing
            )
        draft = Draft(WALLET_OPENED)
        self._claim(draft, ("wallet", (user.id, asset.id)))
        draft.wallets = [WalletOpened(self._ledger.next_wallet, self._new_id(), user.id, asset.id)]
        return draft

    def freeze(self, command: Freeze, turn_at: Wallet | None) -> Draft:
        """Raises Refusal, Undecided."""
        if not (command.debits or command.credits):
            raise Refusal(
                RefusalCode.INVALID_REQUEST,
                "A freeze stops debits, credits or both.",
                fields=(("/debits", "At least one of debits and credits is true."),),
            )
        change = WalletChanged(0, debits_frozen=command.debits, credits_frozen=command.credits, reason=command.reason)
        return self._change(WALLET_FROZEN, command.wallet_id, change, turn_at)

    def unfreeze(self, command: Unfreeze, turn_at: Wallet | None) -> Draft:
        """Raises Refusal, Undecided."""
        return self._change(WALLET_UNFROZEN, command.wallet_id, WalletChanged(0), turn_at)

    def close(self, command: Close, turn_at: Wallet | None) -> Draft:
        """Raises Refusal, Undecided."""
        draft = self._change(WALLET_CLOSED, command.wallet_id, WalletChanged(0, closed=True), turn_at)
        wallet = draft.changing
        assert wallet is not None
        if wallet.in_flight:
            raise Undecided(wallet)
        return draft

    def _change(self, kind: str, wallet_id: str, change: WalletChanged, turn_at: Wallet | None) -> Draft:
        wallet = self._ledger.wallet(wallet_id)
        if wallet.is_treasury:
            raise Refusal(RefusalCode.WALLET_IS_TREASURY)
        if wallet.closed:
            raise Refusal(RefusalCode.WALLET_CLOSED)
        if change.closed and wallet.posted != 0:
            raise Refusal(RefusalCode.WALLET_NOT_EMPTY, wallet=wallet)
        if wallet.changing or (wallet.mailbox and wallet is not turn_at):
            raise Undecided(wallet)
        draft = Draft(kind)
        draft.changing = wallet
        draft.wallet_changes = [msgspec.structs.replace(change, number=wallet.number)]
        return draft

    def _claim(self, draft: Draft, *names: Name) -> None:
        for name in names:
            if name in self._claimed:
                raise Undecided(None)
            draft.names.append(name)


def _is_other(found: User | None, own: User | None) -> bool:
    return found is not None and (own is None or found.id != own.id)


def preview_user(created: UserCreated, at: int) -> User:
    """A user as it would be, in no ledger."""
    return User(
        created.id, created.external_id, created.username, created.email, created.phone_number, created.name, at, at
    )


def preview_asset(created: AssetCreated, treasury: WalletOpened, at: int) -> Asset:
    """An asset with its Treasury as they would be, in no ledger."""
    asset = Asset(
        created.id,
        created.code,
        created.name,
        created.scale,
        created.transferable,
        created.min_amount,
        created.max_amount,
        created.aliases,
        created.active,
        at,
    )
    asset.treasury = Wallet(treasury.number, treasury.id, SYSTEM, asset, at, at)
    return asset
