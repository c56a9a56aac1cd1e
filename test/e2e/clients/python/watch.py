"""Watches the ConfigMaps of a namespace by Python's client, in one request, and prints what comes: "ADDED name"."""

import sys

from kubernetes import client, config, watch

config.load_kube_config(sys.argv[1])
api = client.CoreV1Api()
requests = 0


def list_once(*args, **kwargs):
    """What the watch calls for each request that it makes: it would begin anew in silence."""
    global requests
    requests += 1
    if requests > 1:
        sys.exit("the watch ended")
    return api.list_namespaced_config_map(*args, **kwargs)


# By this the watch finds out what it gets.
list_once.__doc__ = api.list_namespaced_config_map.__doc__
for event in watch.Watch().stream(list_once, sys.argv[2]):
    print(event["type"], event["object"].metadata.name, flush=True)
