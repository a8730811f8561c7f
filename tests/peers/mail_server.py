# An SMTP server on aiosmtpd, in a thread of its own: keeps every mail, with the envelope and what its session was like.
import asyncio
import email
import email.policy
import logging
import ssl
import threading

from aiosmtpd.smtp import SMTP, AuthResult

from kit import wait_for


# The library warns of a name of its own.
logging.getLogger("mail.log").setLevel(logging.ERROR)


class Mail:
    """A mail as it came, and read by Python's email package."""

    def __init__(self, session, envelope):
        self.encrypted, self.authenticated = session.ssl is not None, bool(session.authenticated)
        self.session = session
        self.sender, self.recipients = envelope.mail_from, list(envelope.rcpt_tos)
        self.content = envelope.original_content
        self.message = email.message_from_bytes(self.content, policy=email.policy.default)

    def header(self, name):
        """The one header of this name."""
        [value] = self.message.get_all(name)
        return str(value)

    def text(self):
        return self.message.get_body(("plain",)).get_content()

    def html(self):
        return self.message.get_body(("html",)).get_content()

    def references(self):
        """Its own id and those that it refers to: mails that share one are one thread to a reader."""
        named = ("Message-ID", "In-Reply-To", "References")
        return {one for name in named for value in self.message.get_all(name, []) for one in str(value).split()}


class MailServer:
    """Listens on loopback. With `login` it offers STARTTLS, and takes mail after that and a login only."""

    def __init__(self, login=None, certificate=None, key=None):
        self.mails = []
        self.login = login
        options = {}
        if login:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, key)
            options = {
                "tls_context": context, "require_starttls": True,
                "auth_required": True, "authenticator": self._authenticate,
            }
        loop = asyncio.new_event_loop()
        serving = loop.create_server(lambda: SMTP(self, loop=loop, **options), "127.0.0.1", 0)
        self.server = loop.run_until_complete(serving)
        self.port = self.server.sockets[0].getsockname()[1]
        threading.Thread(target=loop.run_forever, daemon=True).start()

    def _authenticate(self, server, session, envelope, mechanism, data):
        given = (getattr(data, "login", b"").decode(), getattr(data, "password", b"").decode())
        # Handled means that the library does not answer by itself; it does.
        return AuthResult(success=given == self.login, handled=False)

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(Mail(session, envelope))
        return "250 2.0.0 kept"

    def when(self, what, fits):
        """The first mail that fits, once it came."""
        return wait_for(what, lambda: next((mail for mail in list(self.mails) if fits(mail)), None))
