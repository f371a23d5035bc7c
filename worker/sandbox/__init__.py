"""A local Omnitron over real HTTP, in memory, with faults to order.

A leaf: it imports nothing else of the service, so that what it says about the service's requests
does not rest on the service's own code.
"""

from worker.sandbox.faults import Fault, FaultKind
from worker.sandbox.running import RunningSandbox
from worker.sandbox.server import SandboxError, serve
from worker.sandbox.settings import SandboxChannel, SandboxConfig, SandboxList, SandboxUser

__all__ = [
    "Fault",
    "FaultKind",
    "RunningSandbox",
    "SandboxChannel",
    "SandboxConfig",
    "SandboxError",
    "SandboxList",
    "SandboxUser",
    "serve",
]
