"""From the bytes of a command to the bytes of its response, whatever the bytes are.

In this order: decode; put chains together; undo secure messaging, or end it if the command came plain (TR-03110-3,
F.6); find the command; let it ask whether it may and do its work; protect the response. Whatever is wrong becomes a
status word. A defect of ours does too (6F00), and leaves a mark that shows where it was and nothing of the data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from securitymodule.apdu import ApduError, ChainAssembler, ChainError, CommandApdu, ResponseApdu, StatusWord
from securitymodule.card.access import Operation
from securitymodule.card.commands import environment, files, imports, keys, pins, state
from securitymodule.card.context import Context, check_size
from securitymodule.card.errors import Refused, StateNotWritten
from securitymodule.card.pins import PacePassword
from securitymodule.coding import (
    MAX_PROTECTED_DATA,
    P1_DELETE_KEY,
    P1_GENERATE,
    P1_READ_PUBLIC,
    PACE_SYSTEM_PIN,
    PLAIN_COMMANDS,
    Ins,
    Parameters,
    Pin,
)
from securitymodule.errors import SecureMessagingError
from securitymodule.messaging import MOST_SECONDS, CardChannel, CardSideError, is_protected
from securitymodule.messaging import Clock as Seconds
from securitymodule.pace import SessionKeys
from securitymodule.pace_card import PaceCard, Password
from securitymodule.wiping import wipe

Handler = Callable[[Context, CommandApdu], ResponseApdu]

_ANY_P1P2: Final[dict[int, Handler]] = {
    Ins.READ_BINARY: files.read,
    Ins.UPDATE_BINARY: files.update,
}
_BY_P1: Final[dict[tuple[int, int], Handler]] = {
    (Ins.VERIFY, 0x00): pins.verify,
    (Ins.CHANGE_REFERENCE_DATA, 0x00): pins.change,
    (Ins.ACTIVATE, 0x00): state.activate,
    (Ins.GENERATE_ASYMMETRIC_KEY_PAIR, P1_GENERATE): keys.generate,
    (Ins.GENERATE_ASYMMETRIC_KEY_PAIR, P1_READ_PUBLIC): keys.read_public,
    (Ins.DELETE, P1_DELETE_KEY): keys.delete,
}
_BY_P1P2: Final[dict[tuple[int, int], Handler]] = {
    (Ins.SELECT, Parameters.SELECT_BY_IDENTIFIER): files.select,
    (Ins.SELECT, Parameters.SELECT_BY_PATH): files.select_by_path,
    (Ins.CREATE_FILE, Parameters.NONE): files.create,
    (Ins.DELETE, Parameters.NONE): files.delete,
    (Ins.GET_CHALLENGE, Parameters.NONE): pins.challenge,
    (Ins.EXTERNAL_AUTHENTICATE, Parameters.NONE): pins.external_authenticate,
    (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_SIGN): environment.set_signing,
    (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_VERIFY): environment.set_verifying,
    (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_AGREE): environment.set_agreement,
    (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_EXTERNAL_AUTHENTICATE): environment.set_external,
    (Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_COMPUTE_SIGNATURE): keys.compute_signature,
    (Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_SIGNATURE): keys.verify_signature,
    (Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_VERIFY_CERTIFICATE): imports.verify_certificate,
    (Ins.PERFORM_SECURITY_OPERATION, Parameters.PSO_IMPORT_ROOT): imports.import_root,
    (Ins.GENERAL_AUTHENTICATE, Parameters.NONE): keys.agree,
    (Ins.GET_DATA, Parameters.INFORMATION): state.inform,
    (Ins.INTERNAL_AUTHENTICATE, Parameters.NONE): state.attest,
    (Ins.PUT_DATA, Parameters.INITIALISATION): state.initialise,
    (Ins.TERMINATE_CARD_USAGE, Parameters.NONE): state.terminate,
}
_KNOWN: Final = frozenset(ins.value for ins in Ins)
_SECRET_DATA: Final = frozenset({Ins.VERIFY, Ins.CHANGE_REFERENCE_DATA, Ins.PUT_DATA})
"""Whose data hold PINs, and are overwritten when the command is done."""
_MOST_DEFECTS: Final = 100


class Dispatcher:
    """One powered module: answers commands from one reset to the next."""

    def __init__(self, context: Context, seconds: Seconds) -> None:
        """
        :param context: what commands work with.
        :param seconds: seconds that pass, for the age of a secure channel: 48 hours at most (TR-03116-3, chapter 10).
        """
        self._context = context
        self._seconds = seconds
        self._chain = ChainAssembler(MAX_PROTECTED_DATA)
        self._pace = PaceCard({}, random_bytes=context.random)
        self._established: SessionKeys | None = None
        self.defects: deque[str] = deque(maxlen=_MOST_DEFECTS)
        """Where commands failed by a defect of ours: an exception's class and the place in the source, nothing else."""

    def answer(self, encoded: bytes) -> bytes:
        """The response to a command.

        :raises StateNotWritten: if the state could not be made durable; the module must be read anew.
        """
        try:
            response = self._respond(encoded)
        except Refused as refused:
            response = ResponseApdu(sw=refused.status)
        except StateNotWritten:
            raise
        except Exception as error:  # every path ends in a status word
            self._note(error)
            self._end_channel()
            response = ResponseApdu(sw=StatusWord.UNSPECIFIED)
        return response.encode()

    def _respond(self, encoded: bytes) -> ResponseApdu:
        """As :meth:`answer`, and whatever is refused here is refused outside secure messaging, which ends it."""
        try:
            command = CommandApdu.decode(encoded)
        except ApduError:
            self._end_channel()
            raise Refused(StatusWord.WRONG_LENGTH) from None
        whole: CommandApdu | None = command
        if command.ins != Ins.GENERAL_AUTHENTICATE or self._chain.pending:
            try:
                whole = self._chain.feed(command)
            except ChainError as error:
                self._end_channel()
                raise Refused(error.status) from None
        if whole is None:
            return ResponseApdu()
        return self._protected(whole) if is_protected(whole) else self._plain(whole)

    def _plain(self, command: CommandApdu) -> ResponseApdu:
        if self._context.session.channel is not None:
            self._end_channel()
        handler = self._handler(command)
        if not {(command.ins, None), (command.ins, command.parameters)} & PLAIN_COMMANDS:
            raise Refused(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        response = self._executed(handler, command)
        self._begin_channel()
        return response

    def _protected(self, command: CommandApdu) -> ResponseApdu:
        channel = self._context.session.channel
        if channel is None:
            raise Refused(StatusWord.SECURE_MESSAGING_NOT_SUPPORTED)
        try:
            opened = channel.open(command)
        except CardSideError as error:
            self._end_channel()
            raise Refused(error.status) from None
        except SecureMessagingError:  # it has reached its age
            self._end_channel()
            raise Refused(StatusWord.SECURITY_STATUS_NOT_SATISFIED) from None
        try:
            response = self._executed(self._handler(opened), opened)
        except Refused as refused:
            response = ResponseApdu(sw=refused.status)
        answer = channel.protect(response)
        self._begin_channel()
        return answer

    def _executed(self, handler: Handler, command: CommandApdu) -> ResponseApdu:
        self._established = None
        try:
            check_size(command)
            response = handler(self._context, command)
        finally:
            if command.ins in _SECRET_DATA:
                wipe(command.data)  # cut out or decrypted here: nobody else has this copy
        if len(response.data) > (command.le or 0):
            self._established = None
            raise Refused(StatusWord.WRONG_LENGTH)
        return response

    def _handler(self, command: CommandApdu) -> Handler:
        """The command by its header.

        :raises Refused: 6E00, the class; 6D00, the instruction; 6A86, P1P2 is not known.
        """
        chained_step = command.chained and command.ins == Ins.GENERAL_AUTHENTICATE
        if command.cla and not (command.cla == 0x10 and chained_step):
            raise Refused(StatusWord.CLASS_NOT_SUPPORTED)
        if command.ins not in _KNOWN:
            raise Refused(StatusWord.INSTRUCTION_NOT_SUPPORTED)
        if (command.ins, command.parameters) == (Ins.MANAGE_SECURITY_ENVIRONMENT, Parameters.MSE_PACE):
            return self._choose_pace
        if (command.ins, command.parameters) == (Ins.GENERAL_AUTHENTICATE, Parameters.NONE) and self._pace.running:
            return self._step_pace
        found = (
            _BY_P1P2.get((command.ins, command.parameters))
            or _BY_P1.get((command.ins, command.p1))
            or _ANY_P1P2.get(command.ins)
        )
        if found is None:
            raise Refused(StatusWord.INCORRECT_P1_P2)
        return found

    def _choose_pace(self, context: Context, command: CommandApdu) -> ResponseApdu:
        context.require(Operation.PACE)
        pin = context.contents.pins[Pin.SYSTEM]
        passwords: dict[int, Password] = {PACE_SYSTEM_PIN: PacePassword(context.pins, pin.tries)}
        self._pace = PaceCard(passwords, random_bytes=context.random)
        return self._pace.choose(command)

    def _step_pace(self, context: Context, command: CommandApdu) -> ResponseApdu:
        context.require(Operation.PACE)
        response = self._pace.step(command)
        self._established = self._pace.take_keys()
        return response

    def _begin_channel(self) -> None:
        """Go over to the channel that PACE has led to, now that the response to its last step went the old way."""
        keys, self._established = self._established, None
        if keys is not None:
            channel = CardChannel(keys, clock=self._seconds, lifetime=MOST_SECONDS)
            self._context.session.change_channel(channel)
            keys.wipe()  # the channel has copies of its own

    def _end_channel(self) -> None:
        self._context.session.change_channel(None)
        self._pace.forget()
        self._chain.forget()

    def _note(self, error: Exception) -> None:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_qualname}, line {place.tb_lineno}" if place is not None else "nowhere"
        self.defects.append(f"{type(error).__name__} in {where}")
