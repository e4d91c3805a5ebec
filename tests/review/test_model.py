"""What a review says: the verdict, what holds data, who may do what, what is shown and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from infra.review import access, holders, markdown, model
from tests.review.plans import STACK, allow, comparison, delta, document

BUCKET = "module.landing.aws_s3_bucket.this"
ROLE = "module.loader.aws_iam_role_policy.this"


def review(*deltas: Any, **more: Any) -> model.Review:
    return model.build(comparison(*deltas, **more), "base", "head", [STACK])


def rules(made: model.Review) -> set[str]:
    return {each.rule for each in made.reasons}


def test_no_change_is_said_in_three_words() -> None:
    made = review()
    assert (made.verdict, made.level, made.reasons) == ("Nothing changes.", "none", ())


@pytest.mark.parametrize(
    ("change", "rule", "level"),
    [
        (delta(BUCKET, "replace", {"bucket": "a"}, {"bucket": "b"}), "data-destroyed", "high"),
        (delta(BUCKET, "delete", {"bucket": "a"}), "data-destroyed", "high"),
        (delta(BUCKET, "forget", {"bucket": "a"}), "left-behind", "medium"),
        (delta("aws_iam_role.r", "replace", {"name": "a"}, {"name": "b"}), "replaced", "medium"),
        (delta("aws_iam_role.r", "delete", {"name": "a"}), "destroyed", "medium"),
        (delta(BUCKET, "update", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}), "updated", "low"),
        (delta(BUCKET, "create", None, {"bucket": "a"}), "created", "low"),
        (delta("aws_iam_role.r", "move", {}, {}, moved_from="aws_iam_role.old"), "moved", "low"),
        (
            delta(
                ROLE, "update", {"policy": document()}, {"policy": document(allow("s3:GetObject", "arn:aws:s3:::b/*"))}
            ),
            "more-rights",
            "medium",
        ),
        (delta(ROLE, "update", {"policy": document()}, {"policy": document(allow("s3:*", "*"))}), "all-on-all", "high"),
        (delta(ROLE, "update", {"policy": "{}"}, {}, unknown={"policy": True}), "unknown-rights", "medium"),
        (
            delta(
                "aws_s3_bucket_policy.p",
                "update",
                {"policy": document()},
                {"policy": document(allow("s3:GetObject", "arn:aws:s3:::b/*", "*"))},
            ),
            "made-public",
            "high",
        ),
    ],
)
def test_a_change_meets_its_rule(change: Any, rule: str, level: str) -> None:
    made = review(change)
    assert rule in rules(made)
    assert made.level == level
    assert made.verdict.endswith(model.RULES[rule][1])


def test_a_stack_that_could_not_be_planned_is_no_clean_review() -> None:
    made = review(failed={STACK: "broken"})
    assert made.level == "high" and rules(made) == {"not-planned"}


def test_what_could_not_be_settled_is_not_certain() -> None:
    change = delta(BUCKET, "update", {"a": 1}, {"a": 2})
    made = review(change, unsettled=(f"module.stack_01_meteor.{BUCKET}",))
    assert "uncertain" in rules(made)
    assert not made.changes[0].certain


# -------------------------------------------------------------------------------------------- data


def test_what_protects_data_and_what_is_missing_is_told() -> None:
    near = {
        STACK: {
            "module.landing.aws_s3_bucket_versioning.this": (
                "aws_s3_bucket_versioning",
                {"bucket": "a", "versioning_configuration": [{"status": "Enabled"}]},
            )
        }
    }
    (loss,) = holders.losses([delta(BUCKET, "delete", {"bucket": "a", "force_destroy": True})], near)
    assert loss.protected == ("versioning",)
    assert loss.missing == ("not destroyed while it holds objects", "replication", "object lock")


def test_another_buckets_versioning_protects_nothing() -> None:
    near = {STACK: {"module.landing.aws_s3_bucket_versioning.this": ("aws_s3_bucket_versioning", {"bucket": "b"})}}
    (loss,) = holders.losses([delta(BUCKET, "delete", {"bucket": "a"})], near)
    assert "versioning" in loss.missing


def test_other_clouds_protect_in_their_own_ways() -> None:
    bucket = {"force_destroy": True, "versioning": [{"enabled": True}], "soft_delete_policy": []}
    (loss,) = holders.losses([delta("module.copy.google_storage_bucket.this", "delete", bucket)], {})
    assert loss.protected == ("versioning",)
    assert loss.missing == ("not destroyed while it holds objects", "soft delete")
    database = {
        "delete_protection_state": "DELETE_PROTECTION_DISABLED",
        "point_in_time_recovery_enablement": "POINT_IN_TIME_RECOVERY_ENABLED",
    }
    (loss,) = holders.losses([delta("module.identity.google_firestore_database.users", "delete", database)], {})
    assert loss.protected == ("point-in-time recovery",)
    assert loss.missing == ("deletion protection",)


def test_every_protection_is_of_a_type_that_holds_data() -> None:
    assert holders.PROTECTIONS.keys() <= holders.DATA_HOLDERS


# ------------------------------------------------------------------------------------------ access


def test_the_same_statements_in_another_form_are_no_change() -> None:
    one = document(allow("s3:GetObject", "arn:aws:s3:::b/*"), allow("s3:PutObject", "arn:aws:s3:::b/*"))
    other = document({"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]})
    assert access.access_changes([delta(ROLE, "update", {"policy": one}, {"policy": other})]) == []


def test_a_statement_that_is_added_is_shown_alone() -> None:
    one = document(allow("s3:GetObject", "arn:aws:s3:::b/*"))
    other = document(allow("s3:GetObject", "arn:aws:s3:::b/*"), allow("sqs:SendMessage", "arn:q"))
    (change,) = access.access_changes([delta(ROLE, "update", {"policy": one}, {"policy": other})])
    assert (change.added, change.removed, change.widens) == (("Allow sqs:SendMessage on arn:q",), (), True)


def test_taking_a_denial_away_widens() -> None:
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Principal": "*"}
    (change,) = access.access_changes(
        [delta("aws_s3_bucket_policy.p", "update", {"policy": document(deny)}, {"policy": document()})]
    )
    assert change.widens and change.removed == ("Deny everybody: s3:* on *",)


def test_a_condition_makes_a_statement_another_one() -> None:
    one = document(allow("s3:GetObject", "*", "*", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    other = document(allow("s3:GetObject", "*", "*"))
    (change,) = access.access_changes([delta("aws_s3_bucket_policy.p", "update", {"policy": one}, {"policy": other})])
    assert change.public


@pytest.mark.parametrize(
    ("address", "before", "after"),
    [
        (
            "aws_s3_bucket_public_access_block.b",
            {"block_public_policy": True},
            {"block_public_policy": False},
        ),
        ("aws_db_instance.d", {"publicly_accessible": False}, {"publicly_accessible": True}),
        ("aws_apigatewayv2_route.r", {"authorization_type": "AWS_IAM"}, {"authorization_type": "NONE"}),
        (
            "aws_vpc_security_group_ingress_rule.r",
            None,
            {"cidr_ipv4": "0.0.0.0/0", "ip_protocol": "tcp", "from_port": 22, "to_port": 22},
        ),
        (
            "aws_security_group_rule.r",
            None,
            {"type": "ingress", "cidr_blocks": ["::/0"], "protocol": "-1", "from_port": 0, "to_port": 0},
        ),
    ],
)
def test_what_is_opened_to_everybody_is_seen(address: str, before: Any, after: Any) -> None:
    found = access.access_changes([delta(address, "update" if before else "create", before, after)])
    assert any(each.public for each in found), found


def test_a_way_out_to_everywhere_is_no_exposure() -> None:
    rule = {"cidr_ipv4": "0.0.0.0/0", "ip_protocol": "-1"}
    (change,) = access.access_changes([delta("aws_vpc_security_group_egress_rule.r", "create", None, rule)])
    assert not change.public and change.widens


def test_a_statement_known_only_after_the_apply_is_told_where_it_can_be() -> None:
    change = delta(ROLE, "update", {"policy": document()}, {"policy": None}, unknown={"policy": True})
    later = {(STACK, ROLE): {"policy": document(allow("s3:GetObject", "arn:aws:s3:::new/*"))}}
    (found,) = access.access_changes([change], later)
    assert found.added == ("Allow s3:GetObject on arn:aws:s3:::new/*",)


# ----------------------------------------------------------------------------------------- changes


def test_only_what_changes_is_shown_and_documents_are_opened() -> None:
    before = {"policy": document(allow("s3:GetObject", "x")), "name": "n", "tags": {"a": "1"}}
    after = {"policy": document(allow("s3:PutObject", "x")), "name": "n", "tags": {"a": "2"}}
    change = model.change_of(delta(ROLE, "update", before, after))
    assert change.attributes == (model.Attribute("policy.Statement[0].Action", '"s3:GetObject"', '"s3:PutObject"'),)
    assert change.folded == ("tags.a",)


def test_tags_are_shown_where_nothing_else_changes() -> None:
    change = model.change_of(delta(BUCKET, "update", {"tags": {"a": "1"}}, {"tags": {"a": "2"}}))
    assert [each.path for each in change.attributes] == ["tags.a"]


def test_a_sensitive_value_is_never_shown() -> None:
    change = delta(
        "aws_db_instance.d", "update", {"password": "old-1"}, {"password": "new-2"}, sensitive={"password": True}
    )
    made = model.change_of(change)
    assert made.attributes == (model.Attribute("password", model.HIDDEN, model.HIDDEN),)
    nested = delta(
        "aws_x.y", "update", {"a": [{"b": "old-1"}]}, {"a": [{"b": "new-2"}]}, sensitive={"a": [{"b": True}]}
    )
    assert "new-2" not in str(model.change_of(nested)) and "old-1" not in str(model.change_of(nested))


def test_what_the_provider_computes_anew_is_folded_and_what_the_configuration_sets_is_not() -> None:
    change = delta(BUCKET, "update", {"arn": "a", "policy": "p"}, {}, unknown={"arn": True, "policy": True})
    made = model.change_of(change, frozenset(["policy"]))
    assert [each.path for each in made.attributes] == ["policy"]
    assert made.folded == ("arn",)


def test_what_forces_a_replacement_is_marked() -> None:
    change = delta(BUCKET, "replace", {"bucket": "a"}, {"bucket": "b"}, replace_paths=(("bucket",),))
    assert model.change_of(change).attributes[0].replaces


def test_a_stack_that_was_not_planned_is_reached_where_it_names_what_changes() -> None:
    bucket = {"address": "module.stack_01_meteor.module.lake.aws_s3_bucket.this", "name": "this"}
    lake = {
        "address": "module.stack_01_meteor.module.lake",
        "resources": [{**bucket, "values": {"bucket": "the-lake-1"}}],
    }
    inner = {"outputs": {"lake": {"expression": {"references": ["module.lake.name", "module.lake"]}}}}
    plan = {
        "configuration": {"root_module": {"module_calls": {"stack_01_meteor": {"module": inner}}}},
        "planned_values": {
            "root_module": {"child_modules": [{"address": "module.stack_01_meteor", "child_modules": [lake]}]}
        },
    }
    change = delta("module.lake.aws_s3_bucket.this", "update")
    made = model.build(
        comparison(change, head_plan=plan),
        "b",
        "h",
        [STACK, "02_comet", "03_satellite"],
        unchanged=["02_comet", "03_satellite"],
        others={"02_comet": {"module": {"m": {"source_bucket": "the-lake-1"}}}, "03_satellite": {}, STACK: {}},
    )
    assert made.blast.reached == (("02_comet/", 1),)
    assert made.stacks == (STACK, "02_comet", "03_satellite")
    assert "3 stacks compared, 2 of them unchanged: `b` → `h`." in markdown.render(made)
