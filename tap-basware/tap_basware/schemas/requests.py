"""What became of imports: `requestStatus` and `errorFeedbacks` (reference 4.4, 4.5)."""

from __future__ import annotations

from tap_basware.schemas.fields import entity, many, moment, text, texts

PROCESSED_ITEM_ERROR_DETAIL = entity(
    text("type message category"),
)

PROCESSED_ITEM = entity(
    text("externalCode parentExternalCode status"),
    {
        "errors": many(PROCESSED_ITEM_ERROR_DETAIL),
    },
)

BASWARE_SYSTEM = entity(
    text("system module systemStatus"),
    moment("lastUpdated"),
    {
        "items": many(PROCESSED_ITEM),
    },
)

REQUEST_STATUS = entity(
    text(
        """
        requestId entityType entityVersion requestStatus changedBy operationType
        genericListKey
        """,
    ),
    moment("lastUpdated"),
    {
        "systems": many(BASWARE_SYSTEM),
    },
    keys=("requestId",),
)

ERROR_FEEDBACK = entity(
    text("id requestId externalCode errorEntity entityType targetSystem"),
    texts("errors"),
    moment("errorStamp"),
    keys=("id",),
)
