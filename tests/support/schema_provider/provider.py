"""A provider for Terraform that has a schema and nothing else.

Terraform starts it as a plugin and learns from it which resources there are and what they take. It checks configurations
against that by itself; ``mock_provider`` makes up the values. Asked to plan, read or apply anything, it says that it
can't, so nothing can pass for having been made.

It speaks version 6 of Terraform's plugin protocol. Of its messages only the schema has content, so it is encoded here, by
the field numbers of tfplugin6.proto, instead of with generated code.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}
FLAGS = {"required": 4, "optional": 5, "computed": 6}
ANSWERED_BY_NOTHING = ("ConfigureProvider", "StopProvider", "Validate")
"""Calls to which an empty answer means: no objection."""


def number(value: int) -> bytes:
    """Encode a number as protobuf does, seven bits a byte."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def numeric(tag: int, value: int) -> bytes:
    """Encode a field that holds a number; zero is left out."""
    return number(tag << 3) + number(value) if value else b""


def text(tag: int, value: bytes | str) -> bytes:
    """Encode a field that holds text, bytes or another message."""
    content = value.encode() if isinstance(value, str) else value
    return number(tag << 3 | 2) + number(len(content)) + content


def block_message(block: dict[str, Any]) -> bytes:
    """Encode a block of the schema: Schema.Block."""
    return b"".join(
        [
            *(text(2, attribute_message(*item)) for item in block.get("attributes", {}).items()),
            *(text(3, nested_message(*item)) for item in block.get("block_types", {}).items()),
        ]
    )


def attribute_message(name: str, attribute: dict[str, Any]) -> bytes:
    """Encode an attribute: Schema.Attribute."""
    flags = b"".join(numeric(tag, int(attribute.get(flag, False))) for flag, tag in FLAGS.items())
    return text(1, name) + text(2, json.dumps(attribute["type"])) + flags


def nested_message(name: str, nested: dict[str, Any]) -> bytes:
    """Encode a block within a block: Schema.NestedBlock."""
    limits = numeric(4, nested.get("min_items", 0)) + numeric(5, nested.get("max_items", 0))
    return (
        text(1, name) + text(2, block_message(nested["block"])) + numeric(3, NESTING[nested["nesting_mode"]]) + limits
    )


def schema_message(excerpt: dict[str, Any]) -> bytes:
    """Encode the answer to GetProviderSchema."""

    def schema(one: dict[str, Any]) -> bytes:
        return numeric(1, one["version"]) + text(2, block_message(one["block"]))

    resources = excerpt["resource_schemas"].items()
    entries = (text(2, text(1, name) + text(2, schema(one))) for name, one in resources)
    return text(1, schema(excerpt["provider"])) + b"".join(entries)


class Plugin(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers every call that Terraform makes.

    Parameters
    ----------
    schema : bytes
        The answer to GetProviderSchema.
    stop : callable
        Called when Terraform has no more use for the plugin.
    """

    def __init__(self, schema: bytes, stop: Callable[[], None]) -> None:
        self._schema, self._stop = schema, stop

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return what answers a call; None answers that it is not implemented."""
        service, _, name = call.method.lstrip("/").partition("/")
        if service == "plugin.GRPCStdio":
            return grpc.unary_stream_rpc_method_handler(self._no_output)
        if name == "GetProviderSchema":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: self._schema)
        if name == "Shutdown":
            return grpc.unary_unary_rpc_method_handler(self._shutdown)
        if name.startswith(ANSWERED_BY_NOTHING):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
        return None

    def _shutdown(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._stop()
        return b""

    @staticmethod
    def _no_output(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        return iter(())


def certificate() -> tuple[bytes, bytes, bytes]:
    """Return a fresh key and its certificate (PEM), and the certificate as Terraform wants to be told of it (DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    no_password = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    return pem, made.public_bytes(serialization.Encoding.PEM), made.public_bytes(serialization.Encoding.DER)


def serve(excerpt: dict[str, Any]) -> None:
    """Serve a schema on a port of its own, until Terraform says that it is done, or is gone."""
    done, parent = threading.Event(), os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers([Plugin(schema_message(excerpt), done.set)])
    key, chain, told = certificate()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    server.start()
    print(f"1|6|tcp|127.0.0.1:{port}|grpc|{base64.b64encode(told).decode().rstrip('=')}", flush=True)
    while not done.wait(0.5) and os.getppid() == parent:
        pass
    server.stop(grace=1).wait()


def main(arguments: list[str]) -> int:
    """Serve the schema in a file, if it is Terraform that asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schema", type=Path, help="a file as bindings.py writes it")
    file = parser.parse_args(arguments).schema
    if "TF_PLUGIN_MAGIC_COOKIE" not in os.environ:
        parser.error("this is a plugin for Terraform, which starts it by itself")
    serve(json.loads(file.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
