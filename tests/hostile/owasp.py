"""The OWASP API Security Top 10 of 2023, and the tests that stand against each of its risks, in this folder and elsewhere.

A test is named as `folder/file::function`; a test sees to it that each of them exists.
"""

from typing import Final, NamedTuple


class Risk(NamedTuple):
    """One of the ten: what it is called, what it comes to here, and the tests."""

    title: str
    here: str
    tests: tuple[str, ...]


TOP_TEN: Final[dict[str, Risk]] = {
    "API1:2023": Risk(
        "Broken object level authorization",
        "A user names somebody else's wallet, payment, receipt or history.",
        (
            "hostile/test_ownership.py::test_whatever_is_anothers_is_refused_or_does_not_exist_on_every_path",
            "http/test_authentication_objects.py::test_anothers_wallet_does_not_exist",
            "http/test_authentication_objects.py::test_one_foreign_debit_among_own_legs_stops_the_whole",
            "http/test_authentication_objects.py::test_a_cursor_is_its_owners",
            "http/test_authentication_dialects.py::test_what_is_not_its_own_is_refused_or_does_not_exist",
            "http/test_credit_transfer_receipts.py::test_to_anyone_else_there_is_no_such_receipt",
        ),
    ),
    "API2:2023": Risk(
        "Broken authentication",
        "Tokens are forged, guessed or kept beyond their end; passwords and names are guessed.",
        (
            "hostile/test_ownership.py::test_forged_credentials_open_nothing",
            "hostile/test_ownership.py::test_two_authorizations_are_none",
            "hostile/test_ownership.py::test_a_token_in_the_query_or_the_body_or_another_header_is_none",
            "hostile/test_logins.py::test_an_unknown_name_takes_as_long_as_a_wrong_password",
            "hostile/test_logins.py::test_guesses_are_slowed_by_name_and_by_address_and_a_right_token_is_served_on",
            "http/test_authentication.py::test_a_revoked_key_is_dead_at_once",
            "http/test_authentication.py::test_a_login_ends_when_its_time_has_come",
            "http/test_authentication.py::test_an_operators_new_password_ends_the_users_logins",
            "http/test_authentication.py::test_guesses_at_once_are_counted_like_guesses_in_turn",
            "http/test_authentication.py::test_no_secret_is_in_the_journal_the_events_or_the_log",
        ),
    ),
    "API3:2023": Risk(
        "Broken object property level authorization",
        "A body sets members that are not its sender's to set; an answer tells more than its reader may know.",
        (
            "hostile/test_assignment.py::test_the_native_api_refuses_members_that_it_does_not_have",
            "hostile/test_assignment.py::test_what_the_other_apis_ignore_is_in_no_record_and_no_answer",
            "hostile/test_assignment.py::test_a_movement_moves_the_amount_that_it_names_and_nothing_else",
            "http/test_authentication_objects.py::test_both_parties_see_a_payment_and_neither_the_others_balance",
            "http/test_authentication_dialects.py::test_a_payment_to_another_tells_nothing_of_what_that_one_has",
            "http/test_internal_wallet_access.py::test_a_payee_is_not_told_the_payers_idempotency_key",
        ),
    ),
    "API4:2023": Risk(
        "Unrestricted resource consumption",
        "Bodies, heads, lists, connections, streams, waits and hashes without end.",
        (
            "hostile/test_attacks.py::test_an_attack_is_answered_as_documented_and_others_are_served",
            "hostile/test_attacks.py::test_requests_past_the_bound_are_turned_away_and_come_in_later",
            "hostile/test_logins.py::test_guesses_are_slowed_by_name_and_by_address_and_a_right_token_is_served_on",
            "fuzz/test_decoders.py::test_the_work_of_a_decoder_grows_no_faster_than_its_input",
            "http/test_bodies.py::test_a_list_that_is_too_long_is_not_looked_into",
            "http/test_events.py::test_the_number_of_streams_is_bounded",
            "http/test_authentication.py::test_too_much_hashing_makes_no_user",
        ),
    ),
    "API5:2023": Risk(
        "Broken function level authorization",
        "A user calls what is for operators; a key does what is not in its scopes.",
        (
            "hostile/test_ownership.py::test_what_is_for_operators_is_forbidden_to_users_on_every_path",
            "hostile/test_ownership.py::test_without_credentials_no_path_is_open_but_those_that_say_so",
            "hostile/test_assignment.py::test_a_user_that_calls_itself_an_operator_is_none",
            "http/test_authentication.py::test_every_handler_asks_its_principal",
            "http/test_authentication_objects.py::test_a_key_does_what_its_scope_says_and_nothing_else",
            "http/test_application_credits_access.py::test_a_user_cannot_give_itself_credits",
        ),
    ),
    "API6:2023": Risk(
        "Unrestricted access to sensitive business flows",
        "Money is moved twice, faster than it is there, or by the thousand; users are made in bulk.",
        (
            "hostile/test_attacks.py::test_an_attack_is_answered_as_documented_and_others_are_served",
            "http/test_authentication.py::test_users_made_by_nobody_in_particular_are_counted_by_address",
            "http/test_authentication_objects.py::test_anothers_idempotency_key_is_not_replayed",
            "http/test_authentication_objects.py::test_a_batch_of_nothing_but_thefts_moves_nothing",
        ),
    ),
    "API7:2023": Risk(
        "Server side request forgery",
        "walletd asks nobody for anything: no member is an address that it fetches, and no target, host or link makes it connect.",
        (
            "hostile/test_owasp.py::test_walletd_opens_no_connection_to_others",
            "hostile/test_attacks.py::test_heads_of_other_methods_and_hosts_are_not_reflected",
        ),
    ),
    "API8:2023": Risk(
        "Security misconfiguration",
        "Methods, hosts, origins, encodings and errors that tell or take too much; requests that two readers see differently.",
        (
            "hostile/test_attacks.py::test_a_request_ends_in_one_place_to_the_other_parser_too",
            "hostile/test_attacks.py::test_bytes_that_are_no_utf8_are_refused_by_either_parser",
            "hostile/test_attacks.py::test_requests_broken_at_random_break_nothing",
            "hostile/test_attacks.py::test_heads_of_other_methods_and_hosts_are_not_reflected",
            "hostile/test_attacks.py::test_each_request_is_one_line_of_the_log_whatever_it_is_called",
            "http/test_server.py::test_another_method_on_a_known_path_is_405_with_allow",
            "http/test_server.py::test_another_request_id_is_replaced",
        ),
    ),
    "API9:2023": Risk(
        "Improper inventory management",
        "A path that no document names, or that no test sends.",
        (
            "hostile/test_owasp.py::test_every_operation_can_be_sent_by_the_tests_of_ownership",
            "hostile/test_owasp.py::test_no_answer_is_a_sheet_whose_cells_may_be_formulas",
            "hostile/test_ownership.py::test_the_lists_of_exceptions_name_operations_that_there_are",
            "http/test_authentication_objects.py::test_every_path_of_the_native_api_is_in_the_table_of_scopes",
            "fuzz/test_document.py::test_an_operation_answers_as_the_document_says",
        ),
    ),
    "API10:2023": Risk(
        "Unsafe consumption of APIs",
        "walletd consumes none; what it reads from files that others may have touched is checked like a stranger's.",
        (
            "hostile/test_owasp.py::test_walletd_opens_no_connection_to_others",
            "fuzz/test_decoders.py::test_a_decoder_holds_its_laws_on_all_that_was_found",
        ),
    ),
}
