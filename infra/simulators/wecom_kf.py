"""微信客服: people write to an account of the corp's, the webhook only announces it, `sync_msg` lists what was said, `send_msg` answers.

Messages that are announced together (`batch`) stand beside events, receipts of failed sends and what the corp's own people wrote. The
code for a `msgid` that was used before is not known; `DUPLICATE` stands for it. A voucher of ours is longer than the vendor's 128 bytes:
it says what it announces, so that a simulator that welcomes strangers can list what another one announced.
https://developer.work.weixin.qq.com/document/path/94670
https://developer.work.weixin.qq.com/document/path/94677
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.simulators.contract import ApiRequest, Now, Webhook, said_in, utc_now
from infra.simulators.wecom import MAX_TEXT_BYTES, EncryptedCallbacks, Fields, Refused, digest

SEND, SYNC = "/cgi-bin/kf/send_msg", "/cgi-bin/kf/sync_msg"
OPEN_KFID = "wkDemoAAAAAAAAAAAAAAAAAAAA"
HISTORY = timedelta(days=3)
VOUCHER_LIFE = timedelta(minutes=10)
WINDOW, REPLIES = timedelta(hours=48), 5
DUPLICATE = 95_999
CUSTOMER, SYSTEM, SERVICER = 3, 4, 5

Item = dict[str, Any]


@dataclass(slots=True)
class Session:
    """Until when, and how often still, the corp may answer a customer; `taken_over` when a person of the corp does."""

    until: datetime
    left: int = REPLIES
    taken_over: bool = False


class WecomKfSimulator(EncryptedCallbacks):
    """微信客服 and one corp of ours. `page` limits what one `sync_msg` lists; `gaps` is how many empty pages come first, `has_more` set."""

    channel = "wecom_kf"
    announces = True

    def __init__(self, account: str, credentials: Mapping[str, Any], *, now: Now = utc_now) -> None:
        super().__init__(account, credentials, now=now)
        self.page = 1000
        self.gaps = 0
        self.without_voucher = 0
        self._history: list[Item] = []
        self._vouchers: dict[str, datetime] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._said: set[tuple[str, str]] = set()
        self._calls["POST", SYNC] = self._sync
        self._calls["POST", SEND] = self._send

    # What people do, and what is announced of it.

    def person(self, number: int) -> str:
        return f"wmDemo{number:022d}"

    def texts(self, pairs: Sequence[tuple[str, str]]) -> Webhook:
        """Texts of several people, announced once."""
        return self.batch([self.item(contact, "text", {"content": text}) for contact, text in pairs])

    def unknown(self, contact: str) -> Webhook:
        """A message of a type that nobody knows."""
        return self.message(contact, "hologram", {})

    def text(self, contact: str, text: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A customer's text, announced."""
        return self.batch([self.item(contact, "text", {"content": text}, native_id=native_id, at=at)], at=at)

    def message(
        self, contact: str, kind: str, content: Item, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """A customer's message of any type, announced."""
        return self.batch([self.item(contact, kind, content, native_id=native_id, at=at)], at=at)

    def item(
        self,
        contact: str,
        kind: str,
        content: Item,
        *,
        native_id: str | None = None,
        at: datetime | None = None,
        origin: int = CUSTOMER,
        open_kfid: str = OPEN_KFID,
    ) -> Item:
        """An entry of `msg_list`."""
        at = at or self._now()
        return {
            "msgid": native_id or f"kf{next(self._ids):024d}",
            "open_kfid": open_kfid,
            "external_userid": contact,
            "send_time": int(at.timestamp()),
            "origin": origin,
            "msgtype": kind,
            kind: content,
        }

    def event(self, contact: str, event: str, *, at: datetime | None = None, **more: Any) -> Item:
        """An event of `msg_list`: `enter_session`, `msg_send_fail`, `session_status_change` …"""
        content = {"event_type": event, "open_kfid": OPEN_KFID, "external_userid": contact} | more
        entry = self.item(contact, "event", content, at=at, origin=SYSTEM)
        return {name: value for name, value in entry.items() if name not in ("open_kfid", "external_userid")}

    def servicer(self, contact: str, text: str, *, at: datetime | None = None) -> Item:
        """What one of the corp's people wrote to a customer: an echo."""
        return self.item(contact, "text", {"content": text}, at=at, origin=SERVICER) | {"servicer_userid": "zhangsan"}

    def beside(self, contact: str) -> list[Webhook]:
        """Listed at once: the chat opened, a message of ours that did not arrive, a change of who answers, what one of our people wrote."""
        opened = self.event(contact, "enter_session", scene="", welcome_code="w")
        failed = self.event(contact, "msg_send_fail", fail_msgid="m", fail_type=6)
        passed = self.event(contact, "session_status_change", change_type=1, new_servicer_userid="zhangsan")
        return [self.batch([opened, failed, passed, self.servicer(contact, "我来处理")])]

    def batch(self, items: list[Item], *, at: datetime | None = None, open_kfid: str = OPEN_KFID) -> Webhook:
        """Several entries and one announcement of them; entries that are known are not listed again."""
        self._list(items)
        return self.announcement(items, at=at, open_kfid=open_kfid)

    def announcement(
        self,
        items: Sequence[Any] = (),
        *,
        at: datetime | None = None,
        open_kfid: str = OPEN_KFID,
        secret: str | None = None,
    ) -> Webhook:
        """The callback, with a voucher of its own, for whatever the account has to list."""
        at = at or self._now()
        said = urlsafe_b64encode(json.dumps(items).encode()).decode()
        voucher = f"ENC{digest(open_kfid, at.isoformat())[:20]}.{said}"
        if secret is None:
            self._vouchers[voucher] = at + VOUCHER_LIFE
        fields: Fields = {
            "CreateTime": int(at.timestamp()),
            "MsgType": "event",
            "Event": "kf_msg_or_event",
            "Token": voucher,
            "OpenKfId": open_kfid,
        }
        return self.post(fields, at, secret=secret)

    def take_over(self, contact: str, *, open_kfid: str = OPEN_KFID) -> None:
        """A person of the corp answers from now on: the API may not."""
        self._sessions[open_kfid, contact].taken_over = True

    def forged(self, contact: str, text: str) -> Webhook:
        """An announcement, signed with a wrong token, of a text that nobody wrote."""
        return self.announcement([self.item(contact, "text", {"content": text})], secret=f"not-{self._secret}")

    def stale(self, contact: str, text: str) -> Webhook:
        """An announcement that was signed an hour ago."""
        return self.text(contact, text, at=self._now() - timedelta(hours=1))

    # What WeCom is asked.

    def _envelope(self) -> Fields:
        return {"AgentID": ""}

    def _sync(self, request: ApiRequest) -> dict[str, Any]:
        asked = self._checked(request)
        self._check_voucher(asked.get("token"))
        cursor, limit = asked.get("cursor", ""), asked.get("limit", 1000)
        if type(limit) is not int or not 0 < limit <= 1000:
            raise Refused(40058)
        start = self._place(cursor)
        if self.gaps:
            self.gaps -= 1
            return {"next_cursor": f"{self._cursor(start)}.gap{self.gaps}", "has_more": 1, "msg_list": []}
        oldest = int((self._now() - HISTORY).timestamp())
        wanted = (None, asked.get("open_kfid"))
        found: list[Item] = []
        end = start
        while end < len(self._history) and len(found) < min(limit, self.page):
            item = self._history[end]
            if item.get("open_kfid") in wanted and item.get("send_time", oldest) >= oldest:
                found.append(item)
            end += 1
        return {"next_cursor": self._cursor(end), "has_more": int(end < len(self._history)), "msg_list": found}

    def _list(self, items: Sequence[Item]) -> None:
        known = {item.get("msgid") for item in self._history}
        fresh = [item for item in items if item.get("msgid") not in known]
        self._history += fresh
        for item in fresh:
            if item.get("origin") == CUSTOMER and "send_time" in item:
                moment = datetime.fromtimestamp(item["send_time"], self._now().tzinfo)
                self._sessions[item["open_kfid"], item["external_userid"]] = Session(moment + WINDOW)

    def _check_voucher(self, voucher: Any) -> None:
        if voucher is None:
            self.without_voucher += 1
        elif self.welcomes_strangers and voucher not in self._vouchers:
            self._list(json.loads(urlsafe_b64decode(str(voucher).partition(".")[2])))
        elif self._vouchers.get(voucher, self._now()) <= self._now():
            raise Refused(95007)

    def _cursor(self, place: int) -> str:
        return f"{place:08d}{digest(self._secret, str(place))[:12]}"

    def _place(self, cursor: Any) -> int:
        if not cursor:
            return 0
        known = str(cursor).partition(".")[0]
        place = int(known[:8]) if known[:8].isdecimal() else -1
        if known != self._cursor(place):
            raise Refused(40058)
        return place

    def _send(self, request: ApiRequest) -> dict[str, Any]:
        asked = self._checked(request)
        contact, open_kfid, msgid = (str(asked.get(name, "")) for name in ("touser", "open_kfid", "msgid"))
        if asked.get("msgtype") not in ("text", "msgmenu"):  # the vendor takes other types too; this simulator does not
            raise Refused(40008)
        content, titles = said_in(asked)
        if not isinstance(content, str) or not content:
            raise Refused(44004)
        if len(content.encode()) > MAX_TEXT_BYTES:
            raise Refused(45002)
        if msgid and (open_kfid, msgid) in self._said:
            raise Refused(int(self._credentials.get("duplicate_errcode") or DUPLICATE))
        self._use_session(open_kfid, contact)
        self._said.add((open_kfid, msgid))
        self._deliver(contact, content, request, titles)
        return {"msgid": msgid or f"msg-{next(self._ids)}"}

    def _use_session(self, open_kfid: str, contact: str) -> None:
        session = self._sessions.get((open_kfid, contact))
        if session is None:
            raise Refused(95000 if open_kfid != OPEN_KFID else 40096)  # open_kfid, external_userid
        if session.taken_over:
            raise Refused(95018)
        if session.until < self._now():
            raise Refused(95013)
        if not session.left:
            raise Refused(95001)
        session.left -= 1


SIMULATOR = WecomKfSimulator
