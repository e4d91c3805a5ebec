"""The vocabulary that every ``stacks/*/stack.py`` speaks.

A stack composes Terraform modules; the CDK turns that into Terraform JSON. What a stack says is checked while it is
built, so a mistake is an error in the stack's own words and not in Terraform's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from infra import catalog, cdk, modules, settings
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.package import Package, build_code, build_package
from infra.paths import ROOT, STACKS
from infra.targets import Target

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.live import Check, Live

PROVIDERS = {
    "aws": {"source": "hashicorp/aws", "version": "5.100.0"},
    "azurerm": {"source": "hashicorp/azurerm", "version": "4.55.0"},
    "databricks": {"source": "databricks/databricks", "version": "1.99.0"},
    "google": {"source": "hashicorp/google", "version": "6.50.0"},
    "snowflake": {"source": "snowflakedb/snowflake", "version": "2.11.0"},
}
# Of the others than AWS. Who one is and where comes from each provider's own environment variables.
PROVIDER_SETTINGS: dict[str, dict[str, Any]] = {
    # A private storage account is managed by Azure's management API only, and by roles instead of its keys.
    "azurerm": {"features": [{"storage": [{"data_plane_available": False}]}], "storage_use_azuread": True},
    # Previews in this version, which have to be asked for; it is pinned, so they do not change unseen.
    "snowflake": {
        "preview_features_enabled": [
            "snowflake_notification_integration_resource",
            "snowflake_stage_resource",
            "snowflake_table_resource",
        ]
    },
}
TERRAFORM_VERSION = ">= 1.11.0"
_SERVER = (
    "object({ host = string, port = number, database = string, username = string,"
    " secret_version = optional(number, 1) })"
)
STAND_INS = {
    "debezium": "object({ url = string, secrets = string })",
    "kafka": "object({ bootstrap_servers = string, brokers = number })",
    "mysql": _SERVER,
    "postgres": _SERVER,
}
"""What a stand-in is told about the local service that does its work, by service."""
WITH_PASSWORD = ("mysql", "postgres")


class Ref(str):
    """A value that only Terraform knows yet, such as ``${module.lake.arn}``.

    It is text, so it can stand inside other text; an index or a key gives a reference to that part.
    """

    terraform_reference = True

    def __getitem__(self, key: Any) -> Ref:
        """Return a reference to one element of a list or map output."""
        return Ref(f"{str(self)[:-1]}[{json.dumps(key)}]}}")

    def __iter__(self) -> Any:
        """Refuse: how many elements there are is known only to Terraform."""
        raise TypeError(f"{self!s} can't be looped over: its length is known only after the plan")


@dataclass(frozen=True)
class Crontab:
    """What the service ``cron`` of the local cloud runs for a stack.

    Parameters
    ----------
    file : Path
        The crontab, as a real cron would take it.
    settings : mapping
        Where things lie on this machine; they win over the settings in the file.
    """

    file: Path
    settings: Mapping[str, str]


class Module:
    """One instance of a module in a stack; its attributes are the module's outputs, as references.

    On a target where the module is left out (cloud-only modules on the local cloud) each output is None, which
    means "not given" to whatever receives it.
    """

    def __init__(self, stack: str, instance: str, interface: modules.Interface, *, present: bool) -> None:
        self._stack, self._instance, self._interface, self._present = stack, instance, interface, present

    @property
    def present(self) -> bool:
        """Whether the module is deployed on this target."""
        return self._present

    @property
    def address(self) -> str:
        """The module's address in Terraform, such as ``module.lake``."""
        return f"module.{self._instance}"

    def __getattr__(self, name: str) -> Any:
        """Return one output of the module as a reference."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._interface.outputs:
            known = list(self._interface.outputs)
            raise OrreryError(
                f"{self._stack}: module {self._interface.name!r} ({self._instance!r}) has no output {name!r}"
                f"{modules.nearest(name, known)}",
                next_step=f"its outputs are: {', '.join(known)}",
            )
        return Ref(f"${{module.{self._instance}.{name}}}") if self._present else None


class Stack:
    """Base class of all stacks: override `build`, and where they make sense `smoke`, `run` and `next_steps`.

    Parameters
    ----------
    info : StackInfo
        What ``stack.toml`` says.
    target : Target
        Where the stack goes.
    folder : Path
        Where the synthesised files will lie; module sources are written relative to it.
    packages : bool
        False builds no zips of functions: for those who only look at the configuration.
    """

    regions: ClassVar[tuple[str, ...]] = ("us-east-1",)
    """The regions that the stack uses; the first is the home region, where everything goes by default."""
    takes_folders: ClassVar[bool] = False
    """Whether `run` takes a folder of files as well as a file."""

    def __init__(self, info: StackInfo, target: Target, folder: Path, *, packages: bool = True) -> None:
        self.info, self.target = info, target
        self._packages = packages
        self.skipped: list[str] = []
        self.stand_ins: dict[str, str] = {}
        self._folder = folder
        self._modules: dict[str, Module] = {}
        self._other_providers: dict[str, list[dict[str, Any]]] = {}
        self._outputs: set[str] = set()
        self._cdk = cdk.load()
        # No feature flags, no asset copies, no metadata: the output is the same bytes for the same stack.
        self._app = self._cdk.App(outdir=str(folder / "cdk"), skip_validation=True)
        self._scope = self._cdk.TerraformStack(self._app, "stack")

    # -- what a stack says ------------------------------------------------------------------------------------

    def build(self) -> None:
        """Compose the stack: call `module` and `output`."""
        raise TypeError(f"{type(self).__name__} has no build()")

    def module(
        self,
        name: str,
        module: str,
        /,
        *,
        region: str | None = None,
        providers: Mapping[str, str] | None = None,
        depends_on: Sequence[Module] = (),
        **inputs: Any,
    ) -> Module:
        """Add a module and return its outputs.

        Parameters
        ----------
        name : str
            The instance's name within the stack, lower case with underscores.
        module : str
            A folder below ``modules/``.
        region : str, optional
            One of the stack's `regions`; the home region unless given.
        providers : mapping, optional
            For a module that works in several regions at once: its provider alias to a region.
        depends_on : sequence of Module
            What must be there first where no input says so.
        **inputs
            The module's variables; None counts as "not given".

        Raises
        ------
        OrreryError
            Unknown module, variable or region, a missing or wrongly typed input, a name used twice.
        """
        self._check_instance_name(name)
        interface = modules.load(module)
        stand_in = self.target.local and interface.local == "stand-in"
        absent = self.target.local and interface.local == "cloud-only"
        # What comes from a module that is left out is None: a module that is replaced or left out itself can take that.
        modules.check_inputs(self.info.id, name, interface, inputs, none_is_given=stand_in or absent)
        given = {key: value for key, value in inputs.items() if value is not None}
        self._modules[name] = Module(self.info.id, name, interface, present=not absent)
        if absent:
            self.skipped.append(name if name == module else f"{name} ({module})")
            return self._modules[name]
        if self.target.local:
            for left_out in [key for key in given if key in interface.local_without]:
                del given[left_out]
                self.skipped.append(f"{left_out} of {name}")
        if interface.provider != "aws":
            self._other_providers[interface.provider] = [PROVIDER_SETTINGS.get(interface.provider, {})]
        source = interface.path
        if stand_in:
            source = interface.path / "standin"
            given |= self._stand_in_inputs(name, interface.service)
        block = self._cdk.TerraformHclModule(
            self._scope,
            name,
            source=os.path.relpath(source, self._folder),
            variables=given,
            skip_asset_creation_from_local_modules=True,
        )
        mapping = self._providers(name, interface, region, providers)
        if mapping:
            block.add_override("providers", mapping)
        needed = [each.address for each in depends_on if each.present]
        if needed:
            block.add_override("depends_on", needed)
        return self._modules[name]

    def output(self, name: str, value: Any, description: str, *, sensitive: bool = False) -> None:
        """Publish a value: printed after `deploy`, read by `smoke` and `run`.

        Raises
        ------
        OrreryError
            The name is used twice.
        """
        if name in self._outputs:
            raise OrreryError(f"{self.info.id}: output {name!r} is declared twice", next_step="rename one of them")
        self._outputs.add(name)
        if value is not None:
            self._cdk.TerraformOutput(
                self._scope, f"output_{name}", value=value, description=description, sensitive=sensitive
            ).override_logical_id(name)

    def physical(self, part: str, *, globally: bool = False) -> str:
        """Return a resource's full name, such as ``orrery-14-blackhole-users``.

        Parameters
        ----------
        part : str
            What it is within the stack.
        globally : bool
            Add the account number, for names that must be unique in the world (buckets).
        """
        name = f"orrery-{self.info.slug}-{part}"
        return f"{name}-{self.target.account_id}" if globally else name

    def package(self, name: str, sources: Iterable[str] = ()) -> Package:
        """Build the zip of a function from ``lambdas/<name>/`` and return it.

        Parameters
        ----------
        name : str
            The folder below ``lambdas/``.
        sources : iterable of str
            Python packages to put beside the handler, relative to the repository's root (``jobs``) or to the
            stack's ``src/`` folder (``meteor``).
        """
        if not self._packages:
            return Package(f"{name}.zip", "", f"python{self.target.python}", 0)
        return build_package(name, self._folders(sources), python=self.target.python, machine=self.target.machine)

    def code(self, name: str, sources: Iterable[str]) -> Package:
        """Build the zip of Spark jobs, which is code alone, and return it; for the module spark_job.

        Parameters
        ----------
        name : str
            For the file's name.
        sources : iterable of str
            Python packages as in `package`, such as ``["jobs", "quasar"]``.
        """
        return build_code(name, self._folders(sources)) if self._packages else Package(f"{name}.zip", "", "", 0)

    def _folders(self, sources: Iterable[str]) -> list[Path]:
        """Return the folders of Python packages: the stack's own, or the repository's."""
        own = self.info.path / "src"
        return [own / source if (own / source).is_dir() else ROOT / source for source in sources]

    @property
    def tags(self) -> dict[str, str]:
        """The tags on everything that the stack deploys."""
        return {
            "stack": self.info.slug,
            "owner": self.info.owner,
            "data-class": self.info.data_class,
            "cost-centre": self.info.cost_centre,
            "managed-by": "orrery",
        }

    # -- what a stack does once it is deployed -----------------------------------------------------------------

    @property
    def no_drill(self) -> tuple[str, str] | None:
        """Why there is nothing to drill as the stack is set, and what to do next; None where there is."""
        return None

    def smoke(self, live: Live) -> Iterable[Check]:
        """Yield checks that prove that the deployed stack works; each really uses it."""
        raise TypeError(f"{type(self).__name__} has no smoke check")

    def run(self, live: Live, data: Path | None) -> None:
        """Send data through the stack and print what happened.

        Parameters
        ----------
        live : Live
            The deployed stack.
        data : Path or None
            The user's own file, or folder where the stack takes one; None means the stack's generated data.
        """
        raise OrreryError(f"{self.info.id} has nothing to run", next_step="see its README for what to try")

    def check(self, live: Live, exercise: int) -> Iterable[Check]:
        """Yield checks of what the user made of one of the README's exercises; each looks at the deployed stack."""
        raise OrreryError(
            f"{self.info.id} has no exercise {exercise} that can be checked",
            next_step="see the exercises in its README",
        )

    def dashboard(self, live: Live) -> Dashboard:
        """Return what the stack's dashboard shows, read from the deployed stack; see `infra.dashboard`."""
        raise OrreryError(f"{self.info.id} has no dashboard", next_step="see its README for what it shows, and how")

    def crontab(self, live: Live) -> Crontab | None:
        """Return what the local cloud's service ``cron`` runs while the stack is deployed, if anything."""
        return None

    def document(self, live: Live, file: Path) -> None:
        """Write the documentation of what the deployed stack holds into a file: one page, as a browser opens it."""
        raise OrreryError(
            f"{self.info.id} has no documentation site",
            next_step="see its README; make docs without STACK writes the generated parts of the documentation",
        )

    def clear(self, live: Live) -> None:
        """Remove what the stack keeps in services of the local cloud that Terraform doesn't know; see `destroy`."""

    def next_steps(self) -> list[str]:
        """Return the commands that a user may want to try next."""
        runs = [f"make run STACK={self.info.id}"] if type(self).run is not Stack.run else []
        shows = [f"make dashboard STACK={self.info.id}"] if type(self).dashboard is not Stack.dashboard else []
        return [*runs, *shows, f"make destroy STACK={self.info.id}"]

    # -- synthesis ---------------------------------------------------------------------------------------------

    def synthesise(self) -> dict[str, Any]:
        """Build the stack and return its Terraform configuration as plain data."""
        self.build()
        self._remember()
        providers = []
        for index, region in enumerate(self.regions):
            alias = {} if index == 0 else {"alias": _alias(region)}
            providers.append(alias | self.target.provider(region, self.tags))
        configuration = self._cdk.Testing.synth(self._scope)
        backend = self.target.backend(self.info.slug, self.regions[0])
        return _assemble(json.loads(configuration), {"aws": providers, **self._other_providers}, backend)

    def _remember(self) -> None:
        """Write down what was chosen, so that later commands mean the same; nothing where all is as in stack.toml."""
        if self.info.chosen and (chosen := settings.differing(self.info, catalog.load()[self.info.id])):
            self.output(settings.OUTPUT, chosen, "What differs from [settings] in stack.toml.")

    def _check_instance_name(self, name: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise OrreryError(
                f"{self.info.id}: {name!r} is no good name for a module instance",
                next_step="use lower case letters, digits and underscores",
            )
        if name in self._modules:
            raise OrreryError(f"{self.info.id}: module name {name!r} is used twice", next_step="rename one of them")

    def _providers(
        self, name: str, interface: modules.Interface, region: str | None, providers: Mapping[str, str] | None
    ) -> dict[str, str]:
        wanted = dict(providers or {})
        if set(wanted) != set(interface.aliases):
            raise OrreryError(
                f"{self.info.id}: module {interface.name!r} ({name!r}) needs providers for: "
                f"{', '.join(interface.aliases) or 'none'}",
                next_step="pass providers={'<alias>': '<region>', …}",
            )
        for each in [region, *wanted.values()]:
            if each is not None and each not in self.regions:
                raise OrreryError(
                    f"{self.info.id}: {each!r} is not among the stack's regions ({', '.join(self.regions)})",
                    next_step="add it to `regions` in stack.py",
                )
        mapping = {f"aws.{alias}": self._provider_of(each) for alias, each in wanted.items()}
        if region is not None and region != self.regions[0]:
            mapping["aws"] = self._provider_of(region)
        return mapping

    def _provider_of(self, region: str) -> str:
        return "aws" if region == self.regions[0] else f"aws.{_alias(region)}"

    def _stand_in_inputs(self, name: str, service: str) -> dict[str, str]:
        """Declare the variables that carry the local service's facts; `deploy` fills them in.

        The password is ephemeral: it reaches the resources that need it and neither plan nor state.
        """
        if service not in STAND_INS:
            raise OrreryError(
                f"no stand-in is known for service {service!r}", next_step="see STAND_INS in infra/stack.py"
            )
        self.stand_ins[name] = service
        facts = self._cdk.TerraformVariable(self._scope, f"{name}_standin", type=STAND_INS[service])
        facts.override_logical_id(f"{name}_standin")
        given = {"standin": f"${{var.{name}_standin}}"}
        if service not in WITH_PASSWORD:
            return given
        password = self._cdk.TerraformVariable(self._scope, f"{name}_standin_password", type="string", sensitive=True)
        password.add_override("ephemeral", True)
        password.override_logical_id(f"{name}_standin_password")
        return given | {"standin_password": f"${{var.{name}_standin_password}}"}


def _assemble(
    configuration: dict[str, Any], providers: dict[str, list[dict[str, Any]]], backend: dict[str, Any]
) -> dict[str, Any]:
    """Add what no CDK binding writes (providers, backend), and drop the CDK's own bookkeeping."""

    def without_comments(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_comments(item) for key, item in value.items() if key != "//"}
        return [without_comments(item) for item in value] if isinstance(value, list) else value

    configuration = without_comments(configuration)
    configuration["provider"] = providers
    configuration["terraform"] = {
        "backend": backend,
        "required_providers": {name: PROVIDERS[name] for name in providers},
        "required_version": TERRAFORM_VERSION,
    }
    return configuration


def _alias(region: str) -> str:
    return region.replace("-", "_")


def load_class(info: StackInfo) -> type[Stack]:
    """Import a stack's ``stack.py`` and return the one `Stack` that it defines.

    Raises
    ------
    OrreryError
        The file is missing, doesn't import, or doesn't define exactly one stack.
    """
    file = info.path / "stack.py"
    shown = file.relative_to(STACKS.parent) if file.is_relative_to(STACKS.parent) else file
    source = str(info.path / "src")
    if source not in sys.path:
        sys.path.insert(0, source)  # a stack imports its own package: from meteor import …
    spec = importlib.util.spec_from_file_location(f"orrery_stack_{info.slug.replace('-', '_')}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except FileNotFoundError as error:
        raise OrreryError(f"{shown} does not exist", next_step="see CONTRIBUTING.md: add a stack") from error
    except OrreryError:
        raise
    except Exception as error:  # a stack is a user's code: whatever it raises is reported with its own line
        raise broken(info, error) from error
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Stack) and each.__module__ == spec.name
    ]
    if len(found) != 1:
        raise OrreryError(f"{shown} defines {len(found)} stacks", next_step="define one class that derives from Stack")
    return found[0]


def broken(info: StackInfo, error: Exception) -> OrreryError:
    """Turn whatever a ``stack.py`` raised into one line that names its file and line."""
    line: int | None = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == info.path / "stack.py":
            line = frame.lineno
    return OrreryError(
        f"stacks/{info.id}/stack.py{f', line {line}' if line else ''}: {type(error).__name__}: {error}".replace(
            "\n", " "
        ),
        next_step="mend the line; --verbose shows the traceback",
        details="".join(traceback.format_exception(error)),
    )


def create(info: StackInfo, target: Target, folder: Path, *, packages: bool = True) -> tuple[Stack, dict[str, Any]]:
    """Load, build and synthesise a stack.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    target : Target
        Where it goes.
    folder : Path
        Where its configuration will lie.
    packages : bool
        False builds no zips of functions: the configuration can then be looked at, not deployed.

    Returns
    -------
    stack : Stack
        The built stack, with `skipped` and `stand_ins` filled in.
    configuration : dict
        The content of its ``main.tf.json``.

    Raises
    ------
    OrreryError
        The stack is broken; the error names file and line, or module and variable.
    """
    kind = load_class(info)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        stack = kind(info, target, folder, packages=packages)
        return stack, stack.synthesise()
    except OrreryError:
        raise
    except Exception as error:  # see load_class
        raise broken(info, error) from error
