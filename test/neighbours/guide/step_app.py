"""The services that the guide's YAML names and its text leaves out: one app, told by STEP which it is."""
import json
import os
import uuid

from cloudevents.http import CloudEvent, from_http, to_binary
from flask import Flask, request

STEP = os.environ["STEP"]
app = Flask(__name__)

# What each step makes of an order: the type of its reply, and what it adds.
STEPS = {
    "order-validator": ("com.company.orders.validated", {"valid": True}),
    "inventory-checker": ("com.company.orders.checked", {"in_stock": True}),
    "pricing-calculator": ("com.company.orders.priced", {"priced": True}),
    "inventory-reserver": ("com.company.orders.reserved", {"reserved": True}),
    "premium-order-processor": ("com.company.orders.prioritized", {"handling": "express"}),
}


@app.route("/", methods=["POST"])
def handle():
    event = from_http(request.headers, request.get_data())
    if STEP == "order-finalizer":
        print("final " + json.dumps(event.data, sort_keys=True))
        return "", 200
    kind, added = STEPS[STEP]
    attributes = {
        "type": kind,
        "source": STEP,
        "id": str(uuid.uuid4()),
        "subject": event["subject"],
        "datacontenttype": "application/json",
    }
    headers, body = to_binary(CloudEvent(attributes, {**event.data, **added}))
    return body, 200, headers
