"""Instagram and one professional account of ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.simulators.contract import Simulator, Webhook
from infra.simulators.meta.messaging import MessagingSimulator


class InstagramSimulator(MessagingSimulator):
    """A contact is an IGSID."""

    channel = "instagram"
    object_name = "instagram"

    def story_reply(
        self, contact: str, text: str, story: str, url: str, *, native_id: str | None = None, at: datetime | None = None
    ) -> Webhook:
        """Words under a story of ours."""
        return self.text(contact, text, native_id=native_id, at=at, reply_to={"story": {"url": url, "id": story}})

    def story_mention(self, contact: str, url: str, *, native_id: str | None = None, at: datetime | None = None) -> Webhook:
        """A story of the person's own that names us."""
        return self.attachment(contact, "story_mention", {"url": url}, native_id=native_id, at=at)

    def deleted(self, contact: str, native_id: str) -> Webhook:
        """The person takes a message back."""
        item: dict[str, Any] = self.item(contact, {"is_deleted": True}, native_id=native_id)
        return self.batch([item])

    def _our_id(self) -> str:
        return str(self._credentials["instagram_account_id"])

    def _too_long(self, text: str) -> bool:
        return len(text.encode()) > 1000


SIMULATOR: type[Simulator] = InstagramSimulator
