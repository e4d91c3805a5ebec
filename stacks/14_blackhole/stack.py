"""14_blackhole: one identity platform in two regions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from infra.errors import OrreryError
from infra.stack import Module, Stack

if TYPE_CHECKING:
    from infra.live import Check, Live

HOME, AWAY = "us-east-1", "eu-west-1"
ZONE = "identity.orrery.example.com"
TIERS = ("backup_restore", "pilot_light", "warm_standby", "active_active")
ROUTES = ("PUT /users/{id}", "GET /users/{id}", "DELETE /users/{id}", "POST /lookup")


class Blackhole(Stack):
    """Users in a global table, avatars in two buckets, an API, one public name; how much of it twice says the tier."""

    regions = (HOME, AWAY)

    @property
    def tier(self) -> str:
        """What stands ready in the second region: one of `TIERS`."""
        tier = str(self.info.settings["tier"])
        if tier not in TIERS:
            raise OrreryError(f"{self.info.id} has no tier {tier!r}", next_step=f"choose one of: {', '.join(TIERS)}")
        if tier == "backup_restore" and self.promoted:
            raise OrreryError(
                f"{self.info.id}: with backup_restore there is nothing to promote in {AWAY}",
                next_step="restore a backup there, as the stack's README says, or choose: promoted=false",
            )
        return tier

    @property
    def promoted(self) -> bool:
        """Whether the second region is to carry everything."""
        return bool(self.info.settings["promoted"])

    @property
    def with_data(self) -> tuple[str, ...]:
        """The regions that have a copy of the data."""
        return (HOME,) if self.tier == "backup_restore" else self.regions

    @property
    def serving(self) -> tuple[str, ...]:
        """The regions that have an API."""
        waits = self.tier == "backup_restore" or (self.tier == "pilot_light" and not self.promoted)
        return (HOME,) if waits else self.regions

    @property
    def no_drill(self) -> tuple[str, str] | None:
        """Why there is nothing to drill: clients have nowhere to go where one region serves."""
        if len(self.serving) > 1:
            return None
        choice = '"tier=pilot_light promoted=true"' if self.tier == "pilot_light" else "tier=warm_standby"
        return (
            f"in the tier {self.tier} only {HOME} serves, so there is no region to lead clients to",
            f"let the other one serve too: make deploy STACK={self.info.id} SET={choice}",
        )

    def build(self) -> None:
        """Compose the regions and what joins them."""
        keys, twice = self._keys(), len(self.with_data) > 1
        users = self.module(
            "users",
            "table",
            name=self.physical("users"),
            attributes={"user_id": "S", "region": "S", "email_hash": "S"},
            hash_key="user_id",
            range_key="region",  # each region writes an item of its own: ADR 0013
            ttl_attribute="expires_at",
            indexes={"by-email": {"hash_key": "email_hash"}},
            kms_key_arn=keys[HOME].arn,
            replicas={AWAY: keys[AWAY].arn} if twice else None,
            deletion_protection=not self.target.disposable,
        )
        pepper = self.module(
            "pepper",
            "secret",
            name=self.physical("email-pepper-key"),
            description="Key of the hash under which e-mail addresses are indexed; the same in both regions.",
            kms_key_arn=keys[HOME].arn,
            replicas={AWAY: keys[AWAY].arn},  # in every tier: AWS Backup saves no secrets
            recovery_window_days=0 if self.target.disposable else 30,
        )
        avatars = {region: self._avatars(region, keys[region]) for region in self.with_data}
        topics = {region: self._alerts(region, keys[region]) for region in self.serving}
        apis = {region: self._api(region, keys[region], topics[region], users, pepper) for region in self.serving}
        names = self._name(apis, keys[HOME])
        if twice:
            replication = self._avatar_replication(avatars, keys)
            for region in self.serving:
                self._alarms(region, topics[region], users, avatars, replication)
        self._health_alarm(topics[HOME], names)
        backup = self._backup(keys, topics[HOME], users, avatars[HOME])
        self._gcp()
        self._fault_role()

        for region in self.with_data:
            short = region.replace("-", "_")
            self.output(f"avatars_{short}", avatars[region].name, f"The bucket of avatars in {region}.")
        for region in self.serving:
            short = region.replace("-", "_")
            self.output(f"api_{short}", apis[region].endpoint, f"The API's own address in {region}.")
            self.output(f"topic_{short}", topics[region].arn, f"Where the alarms of {region} go.")
        self.output("backup_vault", backup.vault_name, f"The vault of the backups, and in {AWAY} of their copies.")
        self.output("public_name", names.record_names["users"], "The name that clients use.")
        self.output("zone_id", names.zone_id, "The hosted zone of the public name.")
        self.output("users_table", users.name, "The global table.")
        self.output("pepper_secret", pepper.name, "The replicated secret.")

    def smoke(self, live: Live) -> Iterable[Check]:
        """Use the regions as a client would: write here, read there."""
        from infra.live import Check

        marker = secrets.token_hex(4)
        for region in self.serving:
            answer = live.http("GET", self._url(live, region, "/ready"), region)
            yield Check(
                f"the health check of {region} answers", answer.status == 200, f"{answer.status} {answer.body[:80]}"
            )
        for here in self.serving:
            there = next((region for region in self.with_data if region != here), here)
            yield self._user_travels(live, f"smoke-{marker}-{here}", here, there)
            yield self._avatar_travels(live, f"smoke/{marker}-{here}.txt", here, there)

    def next_steps(self) -> list[str]:
        """Return what to try next."""
        cut = "./orrery region cut eu-west-1                cut a region off; ./orrery region restore eu-west-1"
        promote = f"make deploy STACK={self.info.id} SET=promoted=true   let {AWAY} carry everything"
        waits = self.tier in ("pilot_light", "warm_standby") and not self.promoted
        return [
            "make status                                  the ports of the regions",
            *([cut] if len(self.serving) > 1 else []),
            *([promote] if waits else []),
            f"make plan STACK={self.info.id}              the same for AWS, without an account",
            f"make destroy STACK={self.info.id}",
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, Module]:
        """One multi-region key: what is encrypted in one region can be read in the other when the first is gone."""
        shared: dict[str, Any] = {
            "account_id": self.target.account_id,
            "name": self.physical("identity"),
            "services": ["logs", "sns", "cloudwatch"],
            "deletion_window_days": 7 if self.target.disposable else 30,
        }
        primary = self.module("key", "key", description="Identity platform, all data.", multi_region=True, **shared)
        replica = self.module(
            "key_away",
            "key",
            region=AWAY,
            description=f"Identity platform, the key's replica in {AWAY}.",
            replica_of={"key_arn": primary.arn},
            **shared,
        )
        return {HOME: primary, AWAY: replica}

    def _avatars(self, region: str, key: Module) -> Module:
        return self.module(
            f"avatars_{_short(region)}",
            "object_store",
            region=region,
            name=self.physical(f"avatars-{_short(region)}", globally=True),
            account_id=self.target.account_id,
            kms_key_arn=key.arn,
            force_destroy=self.target.disposable,
            tags=self.info.settings["drill"]["aws"]["tags"] if self.info.settings.get("drill_role") else {},
        )

    def _avatar_replication(self, avatars: dict[str, Module], keys: dict[str, Module]) -> Module:
        return self.module(
            "avatar_replication",
            "bucket_replication",
            providers={"a": HOME, "b": AWAY},
            account_id=self.target.account_id,
            name=self.physical("avatars"),
            a=self._bucket(avatars[HOME], keys[HOME]),
            b=self._bucket(avatars[AWAY], keys[AWAY]),
        )

    def _backup(self, keys: dict[str, Module], topic: Module, users: Module, avatars: Module) -> Module:
        """What no replication gives: a copy of yesterday, in both regions, that a wrong write doesn't reach."""
        return self.module(
            "backup",
            "backup",
            providers={"source": HOME, "copy": AWAY},
            account_id=self.target.account_id,
            name=self.physical("data"),
            alarm_topic_arns=[topic.arn],
            bucket_arns=[avatars.arn],
            table_arns=[users.arn],
            kms_key_arn=keys[HOME].arn,
            copy={"kms_key_arn": keys[AWAY].arn},
            lock=None if self.target.disposable else {"min_retention_days": 7},
            force_destroy=self.target.disposable,
        )

    @staticmethod
    def _bucket(bucket: Module, key: Module) -> dict[str, Any]:
        return {"name": bucket.name, "arn": bucket.arn, "kms_key_arn": key.arn}

    def _alerts(self, region: str, key: Module) -> Module:
        account = self.target.account_id
        return self.module(
            f"alerts_{_short(region)}",
            "topic",
            region=region,
            name=self.physical("alerts"),
            kms_key_arn=key.arn,
            allowed_publishers=[
                {"service": "cloudwatch", "source_arn": f"arn:aws:cloudwatch:{region}:{account}:alarm:*"}
            ],
        )

    def _api(self, region: str, key: Module, topic: Module, users: Module, pepper: Module) -> Module:
        """The function and the HTTP API of one region; a warm standby has small capacity until it is promoted."""
        full = region == HOME or self.tier != "warm_standby" or self.promoted
        package = self.package("identity_api")
        account, name = self.target.account_id, self.physical("users")
        table = f"arn:aws:dynamodb:{region}:{account}:table/{name}"
        secret = f"arn:aws:secretsmanager:{region}:{account}:secret:{self.physical('email-pepper-key')}-*"
        function = self.module(
            f"function_{_short(region)}",
            "function",
            region=region,
            name=self.physical(f"api-{_short(region)}"),  # its IAM role is global
            description="Answers the identity API of this region.",
            package_path=package.path,
            package_sha256=package.sha256,
            package_bytes=package.size,
            runtime=package.runtime,
            handler="handler.handler",
            memory_mb=256,
            timeout_s=10,
            reserved_concurrency=100 if full else 10,
            dead_letter=False,
            environment={"USERS_TABLE": users.name, "PEPPER_SECRET": pepper.name},
            grants={
                "users": {
                    "actions": [f"dynamodb:{each}" for each in ("DeleteItem", "GetItem", "PutItem", "Query")],
                    "resources": [table, f"{table}/index/*"],
                },
                "pepper": {"actions": ["secretsmanager:GetSecretValue"], "resources": [secret]},
                "decrypt": {"actions": ["kms:Decrypt"], "resources": [key.arn]},
            },
            kms_key_arn=key.arn,
            alarm_topic_arn=topic.arn,
        )
        target = {"function_arn": function.arn, "function_name": function.name}
        return self.module(
            f"api_{_short(region)}",
            "http_api",
            region=region,
            name=self.physical("api"),
            description=f"Identity API, {region}.",
            kms_key_arn=key.arn,
            public_because="Route 53 asks GET /ready without credentials",
            routes={**{route: target for route in ROUTES}, "GET /ready": {**target, "public": True}},
        )

    def _name(self, apis: dict[str, Module], key: Module) -> Module:
        """The public name: it leads clients to their nearest healthy region, or all of them to the home region."""
        failover = {} if self.tier == "active_active" else {"routing": "failover", "primary": HOME}
        endpoints = {}
        for region, api in apis.items():
            host = f'${{trimprefix({str(api.endpoint)[2:-1]}, "https://")}}'
            endpoints[region] = {"target": host, "health_check": {"host": host, "path": "/ready", "interval_s": 10}}
        return self.module(
            "name",
            "dns",
            account_id=self.target.account_id,
            comment="The identity platform's public name.",
            zone_name=ZONE,
            records={"users": {"endpoints": endpoints, "ttl_s": 60, **failover}},
            query_log={"kms_key_arn": key.arn},
        )

    def _alarms(
        self, region: str, topic: Module, users: Module, avatars: dict[str, Module], replication: Module
    ) -> None:
        """What the people of one region want to know: replication that lags, in either store."""
        here, there = (HOME, AWAY) if region == HOME else (AWAY, HOME)
        direction = "a_to_b" if here == HOME else "b_to_a"
        self.module(
            f"alarms_{_short(region)}",
            "alarm_set",
            region=region,
            name=self.physical(_short(region)),
            topic_arns=[topic.arn],
            alarms={
                "table-replication-lag": {
                    "description": f"Users written in {region} take longer than 10 s to reach {there}.",
                    "namespace": "AWS/DynamoDB",
                    "metric": "ReplicationLatency",
                    "dimensions": {"TableName": users.name, "ReceivingRegion": there},
                    "statistic": "Average",
                    "threshold": 10_000,
                    "evaluation_periods": 1,  # an average of a minute; usual is less than a second
                },
                "avatar-replication-lag": {
                    "description": f"Avatars written in {region} wait longer than the promised 15 minutes.",
                    "namespace": "AWS/S3",
                    "metric": "ReplicationLatency",
                    "dimensions": {
                        "SourceBucket": avatars[here].name,
                        "DestinationBucket": avatars[there].name,
                        "RuleId": replication.rule_ids[direction],
                    },
                    "statistic": "Maximum",
                    "threshold": 900,
                    "evaluation_periods": 2,
                    "period_s": 300,
                },
            },
        )

    def _health_alarm(self, topic: Module, names: Module) -> None:
        """Route 53 reports its health checks in us-east-1, whatever region they look at."""
        self.module(
            "alarms_health",
            "alarm_set",
            name=self.physical("health"),
            topic_arns=[topic.arn],
            alarms={
                f"{region}-unhealthy": {
                    "description": f"Route 53 no longer leads clients to {region}.",
                    "namespace": "AWS/Route53",
                    "metric": "HealthCheckStatus",
                    "dimensions": {"HealthCheckId": names.health_check_ids[f"users/{region}"]},
                    "statistic": "Minimum",
                    "comparison": "LessThanThreshold",
                    "threshold": 1,
                    "treat_missing": "breaching",
                }
                for region in self.serving
            },
        )

    def _gcp(self) -> None:
        """A third copy, or a platform of its own, on another cloud, for those who name a project."""
        for setting, module, part in (
            ("gcp_replica", "gcp_identity_replica", "replica"),
            ("gcp_platform", "gcp_identity_platform", "identity"),
        ):
            if chosen := self.info.settings.get(setting):
                self.module(setting, module, name=self.physical(part), **chosen)

    def _fault_role(self) -> None:
        """For drills on AWS that pause replication: what the Fault Injection Service does that with."""
        if not self.info.settings.get("drill_role"):
            return
        account, table = self.target.account_id, self.physical("users")
        role = self.module(
            "fault_role",
            "fault_role",
            account_id=account,
            name=self.physical("fault-role"),
            table_arns=[f"arn:aws:dynamodb:{region}:{account}:table/{table}" for region in self.regions],
            bucket_arns=[
                f"arn:aws:s3:::{self.physical(f'avatars-{_short(each)}', globally=True)}" for each in self.regions
            ],
        )
        self.output("fault_role_arn", role.arn, "The role that pauses replication in drills on AWS.")

    # -- smoke -------------------------------------------------------------------------------------------------

    @staticmethod
    def _url(live: Live, region: str, path: str) -> str:
        return str(live.outputs["api_" + region.replace("-", "_")]) + path

    def _user_travels(self, live: Live, user: str, here: str, there: str) -> Check:
        """Write a user through one region's API; read it through the other's, or in its table where it has no API."""
        from infra.live import Check

        name = f"a user written in {here} is read in {there}"
        email = f"{user}@example.com"
        body = json.dumps({"name": "Smoke Check", "email": email})
        written = live.http("PUT", self._url(live, here, f"/users/{user}"), here, body)
        if written.status != 201:
            return Check(name, False, f"PUT {written.status} {written.body[:80]}")
        if there not in self.serving:
            key = {"user_id": {"S": user}, "region": {"S": here}}
            table, replica = live.outputs["users_table"], live.client("dynamodb", there)
            item = live.wait(
                f"{user} to arrive in {there}",
                lambda: replica.get_item(TableName=table, Key=key).get("Item"),
                timeout_s=60,
            )
            live.http("DELETE", self._url(live, here, f"/users/{user}"), here)
            return Check(name, item["email"]["S"] == email, f"PUT {written.status}, in the table's replica there")
        read = live.wait(
            f"{user} to arrive in {there}",
            lambda: _ok(live.http("GET", self._url(live, there, f"/users/{user}"), there)),
            timeout_s=60,
        )
        found = live.http("POST", self._url(live, there, "/lookup"), there, json.dumps({"email": email.upper()}))
        live.http("DELETE", self._url(live, here, f"/users/{user}"), here)
        ok = written.status == 201 and json.loads(read.body)["email"] == email and user in found.body
        seen = f"PUT {written.status}, GET {read.status}, lookup {found.status}"
        return Check(name, ok, seen)

    def _avatar_travels(self, live: Live, key: str, here: str, there: str) -> Check:
        """Put an object into one region's bucket; get the same bytes from the other's."""
        from botocore.exceptions import ClientError

        from infra.live import Check

        body = secrets.token_bytes(512)
        source, copy = live.client("s3", here), live.client("s3", there)
        source.put_object(Bucket=live.outputs[f"avatars_{here.replace('-', '_')}"], Key=key, Body=body)

        def arrived() -> bytes | None:
            try:
                got = copy.get_object(Bucket=live.outputs[f"avatars_{there.replace('-', '_')}"], Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                    return None
                raise
            return bytes(got["Body"].read())

        same = live.wait(f"the avatar to arrive in {there}", arrived, timeout_s=60) == body
        return Check(f"an avatar put in {here} arrives in {there}", same, f"{len(body)} bytes, the same")


def _short(region: str) -> str:
    """Return the part of a region's name that tells it apart: us or eu."""
    return region.partition("-")[0]


def _ok(answer: Any) -> Any:
    return answer if answer.status == 200 else None
