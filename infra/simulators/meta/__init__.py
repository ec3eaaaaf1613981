"""Meta's side, as far as Messenger, Instagram and WhatsApp share it: signing, the handshake, the retry ladder, Graph's errors."""
