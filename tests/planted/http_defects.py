"""Defects of the server: amounts, who may see what, limits and answers."""

from typing import Final

from .defect import Defect, defect

AMOUNTS: Final = "http/amounts.py"
OF_AMOUNTS: Final = ("http/test_amounts.py",)
OF_ACCESS: Final = ("http/test_authentication_objects.py", "http/test_authentication.py")

DEFECTS: Final[tuple[Defect, ...]] = (
    defect(
        "zeros_not_filled_in",
        "`1.5` is read as 15 minor units, whatever the scale.",
        (AMOUNTS, ' + b"0" * (scale - len(decimals))', ""),
        first=OF_AMOUNTS,
    ),
    defect(
        "decimals_cut_off",
        "An amount of too many decimals loses its last digits without a word.",
        (AMOUNTS, "if len(decimals) > scale:", "decimals = decimals[:scale]\n    if not whole:"),
        first=OF_AMOUNTS,
    ),
    defect(
        "a_zero_lost_in_answers",
        "Five cents are answered as .05, which is no number.",
        (AMOUNTS, "{scale + 1 + (amount_minor < 0)}", "{scale + (amount_minor < 0)}"),
        first=OF_AMOUNTS,
    ),
    defect(
        "amount_beyond_64_bits",
        "An amount above 2^63-1 is taken.",
        (AMOUNTS, "if amount > AMOUNT_MAX:", "if amount > 4 * AMOUNT_MAX:"),
        first=OF_AMOUNTS,
    ),
    defect(
        "history_of_others",
        "Whose wallet it is, is not asked before its history is shown.",
        ("http/v1/entries.py", '    call.principal.sees_wallet(wallet, call.parameters["id"])\n', ""),
        first=OF_ACCESS,
    ),
    defect(
        "receipt_of_others",
        "Anyone who is logged in reads anyone's receipt.",
        ("http/credit_transfer/receipts.py", " or (principal.is_user and principal.user_id not in parties)", ""),
        first=("http/test_credit_transfer_receipts.py", "http/test_authentication_dialects.py"),
    ),
    defect(
        "balance_of_others",
        "The digital wallet's balance is told to every user.",
        ("http/digital_wallet/wallets.py", "    call.principal.require_user(user_id, scope=Scope.READ)\n", ""),
        first=("http/test_digital_wallet_access.py",),
    ),
    defect(
        "login_for_ever",
        "A grant in memory lives on after its end.",
        ("engine/grants.py", "if not grant.lives(now):", "if grant is None:"),
        first=("contract/test_access_contract.py", *OF_ACCESS),
    ),
    defect(
        "login_for_ever_in_the_store",
        "The store finds a session whose end has passed.",
        ("storage/access.py", "WHERE digest = :digest AND expires_at > :now", "WHERE digest = :digest AND :now > 0"),
        first=("contract/test_access_contract.py",),
    ),
    defect(
        "body_of_any_length",
        "A body that comes in pieces is read to its end, however long.",
        (
            "http/call.py",
            "                        raise too_large(options.body_bytes_max)",
            "                        pass",
        ),
        first=("http/test_bodies.py",),
    ),
    defect(
        "errors_as_success",
        "A dialect answers its refusals with 200.",
        (
            "http/wallet_service/dialect.py",
            'Dialect("wallet_service", STATUSES_INVALID_400,',
            'Dialect("wallet_service", {**STATUSES_INVALID_400, "insufficient_balance": 200},',
        ),
        first=("http/test_wallet_service.py",),
    ),
    defect(
        "event_skipped",
        "The stream of events goes on after the record that comes next.",
        ("http/v1/events.py", "after = records[-1].seq\n", "after = records[-1].seq + 1\n"),
        first=("http/test_events.py",),
    ),
    defect(
        "event_lost_between_pages",
        "A page of events names a next one that begins too late.",
        ("http/v1/events.py", "str(records[-1].seq)", "str(records[-1].seq + 1)"),
        first=("http/test_events.py",),
    ),
    defect(
        "balance_not_yet_durable",
        "A wallet's answer shows money of records in flight.",
        ("http/v1/answers.py", "available=str(wallet.posted)", "available=str(wallet.appended)"),
        ("http/v1/answers.py", "posted=str(wallet.posted)", "posted=str(wallet.appended)"),
        first=("http/test_movements.py", "http/test_directory.py"),
    ),
    defect(
        "dialects_balance_not_yet_durable",
        "The dialects' balances show money of records in flight.",
        ("http/holders.py", "(wallet.posted, wallet)", "(wallet.appended, wallet)"),
        first=("http/test_digital_wallet.py",),
    ),
    defect(
        "broken_body_unheard",
        "Who reads a body whose chunks break waits until its time is up.",
        ("http/connection.py", "                body.set_exception(web.RequestPayloadError())", "                pass"),
        first=("http/test_server.py",),
    ),
    defect(
        "request_within_a_body",
        "Bytes of a body that look like a request made before are taken for one.",
        (
            "http/connection.py",
            "        if len(self._messages) != before + 1:\n            return None",
            "        if len(self._messages) != before + 1:\n            return heads",
        ),
        first=("property/test_connection.py",),
    ),
    defect(
        "known_head_with_another_body",
        "A request whose head is known is taken with as much of its body as is here.",
        ("http/connection.py", "known.length != len(data) - end or", ""),
        first=("property/test_connection.py",),
    ),
    defect(
        "reading_without_end",
        "A client that does not wait for its answers is read for ever.",
        ("http/connection.py", "len(data) - end or self._messages:", "len(data) - end:"),
        first=("property/test_connection.py",),
    ),
    defect(
        "pipelines_in_one_stall",
        "All requests that a client sent without waiting are answered in one turn of the event loop.",
        ("http/connection.py", "                await asyncio.sleep(0)  # others", "                pass  # others"),
        first=("property/test_connection.py",),
    ),
    defect(
        "second_answer_within_a_stream",
        "A stream that fails gets a second answer into its body.",
        (
            "http/connection.py",
            "        if request.writer.output_size > 0 and not response.prepared:",
            "        if False:",
        ),
        first=("http/test_events.py",),
    ),
    defect(
        "batches_in_one_stall",
        "Batches that come together are read in one turn of the event loop.",
        ("http/call.py", "            await self.services.lane.turn()", "            pass"),
        first=("http/test_lane.py",),
    ),
)
