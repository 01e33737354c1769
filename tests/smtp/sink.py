"""A scripted SMTP relay for tests, on aiosmtpd (PyPI).

Prints "READY <port>" and then obeys one JSON command per line on standard input, answering one JSON line each. It ends
when standard input ends, so it never outlives the test that started it.

Commands
  {"cmd": "rule", "recipient": null | "a@b", "stage": "connect" | "mail" | "rcpt" | "data",
   "action": "ok" | "reply" | "drop" | "slow", "reply": "450 4.2.1 ...", "ms": 500, "times": null | n}
      Behave so for this recipient (null: for all); n times, then as before. The newest matching rule wins.
  {"cmd": "clear_rules"}
  {"cmd": "list", "accepted_only": true}     messages in order of arrival
  {"cmd": "counts", "accepted_only": true}   {message-id: how often}
  {"cmd": "stats"}                           {"connections", "rcpt", "completed", "accepted"}
  {"cmd": "wait", "count": n, "ms": 5000, "accepted_only": true}   answers when n messages are there, or at the limit
  {"cmd": "hang_up"}                         breaks every open connection, as relays do with idle ones
  {"cmd": "reset"}                           forgets messages, rules and statistics

A message is "completed" when its DATA arrived whole, and "accepted" when 250 was answered to it. A client that is
killed in the middle of DATA leaves neither. "drop" at "data" is the undecidable case: the content arrived, the line
breaks before the answer; such a message is completed, not accepted.
"""

import asyncio
import email
import email.policy
import json
import sys
from collections import Counter

from aiosmtpd.smtp import SMTP


class Sink:
    """What arrived, and how to behave."""

    def __init__(self):
        self.open = set()
        self.reset()

    def reset(self):
        self.messages = []
        self.rules = []
        self.connections = 0
        self.rcpt = 0
        self.changed = asyncio.Event()

    def rule_for(self, stage, recipients):
        for rule in reversed(self.rules):
            if rule["stage"] != stage or rule["times"] == 0:
                continue
            if rule["recipient"] is None or rule["recipient"].lower() in recipients:
                if rule["times"] is not None:
                    rule["times"] -= 1
                return rule
        return None

    def selected(self, accepted_only):
        return [m for m in self.messages if m["accepted"] or not accepted_only]


class Session(SMTP):
    """One connection. Marks a message accepted only once its 250 has really been written."""

    def __init__(self, sink, **options):
        super().__init__(sink.handler, **options)
        self.sink = sink
        self.awaiting_answer = None

    def connection_made(self, transport):
        self.sink.connections += 1
        self.sink.open.add(transport)
        self.own_transport = transport
        super().connection_made(transport)

    def connection_lost(self, error):
        self.sink.open.discard(self.own_transport)
        super().connection_lost(error)

    async def push(self, status):
        message, self.awaiting_answer = self.awaiting_answer, None
        if self.transport is None or self.transport.is_closing():
            return
        await super().push(status)
        text = status.decode() if isinstance(status, bytes) else status
        if message is not None and text.startswith("250"):
            message["accepted"] = True
            self.sink.changed.set()


class Handler:
    def __init__(self, sink):
        self.sink = sink

    async def obey(self, server, stage, recipients):
        """None to go on, a reply to give, or "" when the connection is gone."""
        rule = self.sink.rule_for(stage, recipients)
        if rule is None or rule["action"] == "ok":
            return None
        if rule["action"] == "slow":
            await asyncio.sleep(rule["ms"] / 1000)
            return None
        if rule["action"] == "drop":
            server.transport.abort()
            return ""
        return rule["reply"]

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        reply = await self.obey(server, "connect", [])
        return responses if reply is None else [reply or "421 gone"]

    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await self.obey(server, "mail", [])
        if reply is not None:
            return reply or "421 gone"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.sink.rcpt += 1
        reply = await self.obey(server, "rcpt", [address.lower()])
        if reply is not None:
            return reply or "421 gone"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        record = describe(envelope)
        self.sink.messages.append(record)
        self.sink.changed.set()
        reply = await self.obey(server, "data", [a.lower() for a in envelope.rcpt_tos])
        if reply is not None:
            record["answer"] = reply
            return reply or "421 gone"
        server.awaiting_answer = record
        record["answer"] = "250"
        return f"250 2.0.0 queued as {len(self.sink.messages)}"


def describe(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    return {
        "message_id": message["Message-ID"],
        "from": envelope.mail_from,
        "to": list(envelope.rcpt_tos),
        "subject": message["Subject"],
        "body": body.get_content() if body else "",
        "parts": [part.get_content_type() for part in message.walk()],
        "headers": {name.lower(): str(value) for name, value in message.items()},
        "accepted": False,
        "answer": None,
    }


async def execute(sink, command):
    name = command["cmd"]
    accepted_only = command.get("accepted_only", True)
    if name == "rule":
        sink.rules.append(
            {
                "recipient": command.get("recipient"),
                "stage": command.get("stage", "data"),
                "action": command.get("action", "ok"),
                "reply": command.get("reply"),
                "ms": command.get("ms", 0),
                "times": command.get("times"),
            }
        )
        return {"ok": True}
    if name == "clear_rules":
        sink.rules.clear()
        return {"ok": True}
    if name == "list":
        return {"ok": True, "messages": sink.selected(accepted_only)}
    if name == "counts":
        return {"ok": True, "counts": Counter(m["message_id"] for m in sink.selected(accepted_only))}
    if name == "stats":
        return {
            "ok": True,
            "connections": sink.connections,
            "rcpt": sink.rcpt,
            "completed": len(sink.messages),
            "accepted": len(sink.selected(True)),
        }
    if name == "wait":
        end = asyncio.get_running_loop().time() + command.get("ms", 5000) / 1000
        while len(sink.selected(accepted_only)) < command["count"]:
            sink.changed.clear()
            left = end - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(sink.changed.wait(), max(left, 0))
            except asyncio.TimeoutError:
                break
        return {"ok": True, "count": len(sink.selected(accepted_only))}
    if name == "hang_up":
        for transport in list(sink.open):
            transport.abort()
        return {"ok": True}
    if name == "reset":
        sink.reset()
        return {"ok": True}
    return {"ok": False, "error": f"unknown command {name}"}


async def main():
    loop = asyncio.get_running_loop()
    sink = Sink()
    sink.handler = Handler(sink)
    server = await loop.create_server(
        lambda: Session(sink, enable_SMTPUTF8=True, hostname="sink.test", ident="sink"),
        "127.0.0.1",
        0,
    )
    commands = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(f"READY {server.sockets[0].getsockname()[1]}", flush=True)
    while line := await commands.readline():
        try:
            answer = await execute(sink, json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            answer = {"ok": False, "error": repr(error)}
        print(json.dumps(answer), flush=True)
    server.close()


asyncio.run(main())
