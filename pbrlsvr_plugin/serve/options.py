"""What `pbrlsvr serve` can be told."""

import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import Any

from pydantic import field_validator, model_validator
from typing_extensions import Self

from pbrlsvr.errors import ConfigError
from pbrlsvr.options import Field
from pbrlsvr_plugin.prepare.blocks import Block, lists

_SHORTEST_TOKEN = 16


class LimitOptions(Block):
    """What one client, and all clients together, may ask for."""

    body_mib: float = Field(16.0, gt=0, le=1024)
    """MiB of a request's body; more is refused with 413."""
    bodies_mib: float = Field(256.0, gt=0)
    """MiB of all bodies that are being read or answered at the same time; beyond it requests get 429."""
    samples: int = Field(1024, ge=1)
    """Samples, or texts to embed, in a request."""
    characters: int = Field(200_000, ge=1)
    """Characters of a text."""
    waiting: int = Field(8192, ge=1)
    """Samples of all requests that may be without an answer at the same time; beyond it requests get 429."""
    connections: int = Field(4096, ge=1)
    """Open connections; further ones get 503 and are closed."""
    request_s: float = Field(30.0, gt=0)
    """Seconds in which a client must have sent a whole request, and in which it must take in what it is sent."""
    answer_s: float = Field(600.0, gt=0)
    """Seconds that an answer may take; then 504."""
    drain_s: float = Field(600.0, ge=0)
    """Seconds after SIGTERM in which requests that are in flight are still answered."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.samples > self.waiting:
            raise ValueError(
                f"samples={self.samples} of a request are more than waiting={self.waiting} of all requests"
            )
        if self.body_mib > self.bodies_mib:
            raise ValueError(f"body_mib={self.body_mib:g} of a request is more than bodies_mib={self.bodies_mib:g}")
        return self


class ServeOptions(Block):
    """pbrlsvr serve: a reward over HTTP."""

    reward: str = Field("embed_cosine", min_length=1)
    """A reward of pbrlsvr, or my_file.py:my_function."""
    options: Mapping[str, Any] = Field({}, examples=[{}])
    """The reward's options, as in a veRL config's reward_kwargs."""
    config: str | None = Field(None, min_length=1)
    """A veRL config whose reward is served instead; `options` go before its own."""
    host: str = "127.0.0.1"
    """The address to listen at. One that other machines reach needs `token_env`, or `open: true`."""
    port: int = Field(8000, ge=0, le=65535)
    """The port; 0 takes a free one, and the first line of output says which."""
    token_env: str | None = Field(None, min_length=1)
    """The environment variable that holds the token which clients must send; null asks for none."""
    open: bool = False
    """true lets other machines in without a token."""
    replicas: int | None = Field(None, ge=1)
    """How many copies of the reward's models run, in Ray; null leaves it to `options.serving`."""
    ray: str | None = Field(None, min_length=1)
    """The Ray cluster that the models run in, as "auto" or "host:6379"; null starts one on this machine where it is
    needed."""
    limits: LimitOptions = LimitOptions()
    """What clients may ask for."""

    @field_validator("options", mode="after")
    @classmethod
    def _as_a_config_has_them(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = lists(options)
        return found

    def token(self) -> str | None:
        """The token; None where none is asked for.

        Raises:
            ConfigError: the variable is not set, or holds what cannot be a token; the value is not shown. Or other
                machines could reach a server without one.
        """
        if self.token_env is None:
            if not self.open and not is_loopback(self.host):
                raise ConfigError(
                    f"host={self.host!r} can be reached from other machines, and no token is asked for. Name an "
                    "environment variable that holds one (token_env=PBRLSVR_TOKEN), listen at 127.0.0.1, or say "
                    "open=true where the network keeps strangers out"
                )
            return None
        token = os.environ.get(self.token_env, "")
        if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                f"token_env={self.token_env!r}: the variable holds {len(token)} characters; a token has "
                f"{_SHORTEST_TOKEN} or more, printable ASCII without spaces: "
                f"export {self.token_env}=$(openssl rand -hex 32)"
            )
        return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at `host`.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("")
        (True, False, False)
    """
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_loopback for address in found)
