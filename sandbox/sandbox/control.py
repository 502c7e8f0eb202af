"""The control origin: seeds, inspects and breaks the others while they are served."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.basware.errors import BaswareError
from sandbox.basware.exact_json import dumps, loads
from sandbox.chaos import ChaosPlan
from sandbox.d365fo.posting import PostingError
from sandbox.faults import Fault
from sandbox.inspection import summarise_d365fo
from sandbox.seed import World, demo_world, small_world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from sandbox.server import Sandbox

WORLDS: dict[str, Callable[[], World]] = {
    "demo": demo_world,
    "small": small_world,
    "empty": World,
}


def create_control_app(sandbox: Sandbox) -> web.Application:
    """The control origin over `sandbox`. It asks for no credentials: it is bound to loopback."""
    app = web.Application(middlewares=[_explain()])
    control = _Control(sandbox)
    app.router.add_get("/state/{system}", control.state)
    app.router.add_post("/seed", control.seed)
    app.router.add_get("/faults", control.list_faults)
    app.router.add_post("/faults", control.add_fault)
    app.router.add_delete("/faults", control.clear_faults)
    app.router.add_get("/chaos", control.show_chaos)
    app.router.add_put("/chaos", control.start_chaos)
    app.router.add_delete("/chaos", control.stop_chaos)
    app.router.add_get("/switches", control.list_switches)
    app.router.add_patch("/switches", control.set_switches)
    app.router.add_get("/requests", control.requests)
    app.router.add_post("/finish", control.finish)
    app.router.add_post("/actions/{name}", control.act)
    return app


class _Control:
    """One method an operation."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def state(self, request: web.Request) -> web.Response:
        """What a system holds: counts, and with `?full=true` everything."""
        system, full = request.match_info["system"], request.query.get("full") == "true"
        if system == "basware":
            return _json(self._basware(full=full))
        if system == "d365fo":
            return _json(self._d365fo(full=full))
        msg = f"no system {system!r}, there are basware and d365fo"
        raise ValueError(msg)

    def _basware(self, *, full: bool) -> dict[str, Any]:
        state = self._sandbox.basware
        summary = state.summary()
        if full:
            summary["accountingDocuments"] = state.documents()
            summary["entities"] = {name: state.records(name) for name in summary["records"]}
        return summary

    def _d365fo(self, *, full: bool) -> dict[str, Any]:
        state = self._sandbox.d365fo
        summary = summarise_d365fo(state)
        if full:
            summary["entity_sets"] = {name: state.rows(name) for name in summary["rows"]}
        return summary

    async def seed(self, request: web.Request) -> web.Response:
        """Replace what both systems hold: `{"world": "demo"}`."""
        name = (await _body(request)).get("world", "demo")
        if name not in WORLDS:
            msg = f"no world {name!r}, there are {', '.join(WORLDS)}"
            raise ValueError(msg)
        self._sandbox.load(WORLDS[name]())
        return _json({"world": name})

    async def list_faults(self, _request: web.Request) -> web.Response:
        """The faults that have not happened yet."""
        return _json(self._sandbox.faults.pending())

    async def add_fault(self, request: web.Request) -> web.Response:
        """Queue a fault: the fields of `Fault`."""
        self._sandbox.faults.add(Fault(**await _body(request)))
        return _json(self._sandbox.faults.pending(), 201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Forget every fault."""
        self._sandbox.faults.clear()
        return web.Response(status=204)

    async def show_chaos(self, _request: web.Request) -> web.Response:
        """What happens by chance, and how often it did."""
        return _json(self._sandbox.chaos.as_dict())

    async def start_chaos(self, request: web.Request) -> web.Response:
        """Let things happen by chance: the fields of `ChaosPlan`."""
        self._sandbox.chaos.start(ChaosPlan(**await _body(request)))
        return _json(self._sandbox.chaos.as_dict())

    async def stop_chaos(self, _request: web.Request) -> web.Response:
        """Calm."""
        self._sandbox.chaos.stop()
        return _json(self._sandbox.chaos.as_dict())

    async def list_switches(self, _request: web.Request) -> web.Response:
        """All switches as they are."""
        return _json(self._sandbox.switches.as_dict())

    async def set_switches(self, request: web.Request) -> web.Response:
        """Set switches: `{"basware.redirect": false}`; all of them or none."""
        self._sandbox.switches.update(await _body(request))
        return _json(self._sandbox.switches.as_dict())

    async def finish(self, _request: web.Request) -> web.Response:
        """Answer when all that had arrived is carried out."""
        await self._sandbox.finish()
        return web.Response(status=204)

    async def requests(self, request: web.Request) -> web.Response:
        """The journal, without bodies: `?system=&method=&path=&since=`."""
        query = request.query
        found = self._sandbox.journal.requests(
            query.get("system"),
            query.get("method"),
            query.get("path"),
            int(query.get("since", "0")),
        )
        return _json(
            {
                "requests": [exchange.summary() for exchange in found],
                "dropped": self._sandbox.journal.dropped,
            }
        )

    async def act(self, request: web.Request) -> web.Response:
        """What happens in a system outside its API: `POST /actions/{name}` with the arguments."""
        name = request.match_info["name"]
        actions = self._actions()
        if name not in actions:
            msg = f"no action {name!r}, there are {', '.join(sorted(actions))}"
            raise ValueError(msg)
        return _json({"result": actions[name](**await _body(request))})

    def _actions(self) -> dict[str, Callable[..., Any]]:
        sandbox = self._sandbox
        return {
            "retransfer": sandbox.basware.retransfer,
            "forget_continuations": sandbox.basware.forget_continuations,
            "add_outcome_rule": sandbox.basware.add_outcome_rule,
            "drop_subscriptions": sandbox.basware.notifications.drop_subscriptions,
            "revoke_basware_tokens": sandbox.basware.revoke_tokens,
            "revoke_d365fo_tokens": sandbox.d365fo.revoke_tokens,
            "post_invoice": sandbox.d365fo.post_invoice,
            "pay_invoice": sandbox.d365fo.pay_invoice,
            "pay_invoices": sandbox.d365fo.pay_invoices,
            "prepay": sandbox.d365fo.prepay,
            "apply_prepayment": sandbox.d365fo.apply_prepayment,
            "settle_credit_note": sandbox.d365fo.settle_credit_note,
            "unsettle": sandbox.d365fo.unsettle,
            "reverse_payment": sandbox.d365fo.reverse_payment,
            "void_cheque": sandbox.d365fo.void_cheque,
            "advance_clock": sandbox.clock.advance,
            "reset": sandbox.reset,
        }


def _explain() -> Middleware:
    """Middleware that answers wrong requests with words."""

    @web.middleware
    async def explain(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except (BaswareError, PostingError, TypeError, ValueError) as error:
            return _json({"error": str(error)}, 400)

    return explain


async def _body(request: web.Request) -> dict[str, Any]:
    content = loads(await request.read() or b"{}")
    if not isinstance(content, dict):
        msg = "an object is expected"
        raise TypeError(msg)
    return content


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it exactly."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return value


def _json(payload: Any, status: int = 200) -> web.Response:
    return web.Response(text=dumps(_plain(payload)), status=status, content_type="application/json")
