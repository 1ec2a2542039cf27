"""Layers on their way into a function: found, allowed, and together with the code not too big."""

from collections.abc import Sequence

from bulb.core.calls import Call
from bulb.core.limits import UNZIPPED_CODE_BYTES
from bulb.services.lambda_ import errors, layers
from bulb.services.lambda_.layers import LayerRef
from bulb.services.lambda_.model import Code, Layer
from bulb.services.lambda_.packages import Packages
from bulb.services.lambda_.store import LambdaStore


class AttachedLayers:
    """Turns the `Layers` of a request into what a definition keeps."""

    def __init__(self, store: LambdaStore, packages: Packages) -> None:
        self._store = store.layers
        self._packages = packages

    async def chosen(self, call: Call) -> tuple[Layer, ...] | None:
        """The layers the request names, in order; None when it says nothing of layers.

        A layer that is only referred to is copied: the function goes on when the object is gone.
        Raises InvalidParameterValueException and AccessDeniedException.
        """
        arns: Sequence[str] | None = call.params.get("Layers")
        if arns is None:
            return None
        return tuple([await self._found(call, ref) for ref in layers.chosen(arns, call.region)])

    async def check_size(self, code: Code, attached: Sequence[Layer]) -> None:
        """Code and layers fit together. Raises InvalidParameterValueException."""
        if attached:
            sizes = [await self._packages.unpacked_bytes(part) for part in (code, *(layer.code for layer in attached))]
            layers.check_size(sum(sizes), UNZIPPED_CODE_BYTES)

    async def _found(self, call: Call, ref: LayerRef) -> Layer:
        version = await self._store.find(ref)
        if ref.key.account != call.account and (version is None or not version.may_be_used_by(call.account)):
            raise layers.not_shared(call.caller.arn, ref)
        if version is None:
            raise errors.invalid(layers.missing(ref))
        return Layer(ref.arn, await self._packages.copied(version.code))
