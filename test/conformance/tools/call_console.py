"""Calls an agent's console by gRPC, with what Google's tools make of the protos: `call_console.py STUBS HOST:PORT TOKEN`. Prints what is so, a line each."""

import sys

sys.path.insert(0, sys.argv[1])

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from fairlead.console.v1 import app_service_pb2, app_service_pb2_grpc
from fairlead.console.v1 import peer_service_pb2, peer_service_pb2_grpc
from fairlead.console.v1 import watch_service_pb2, watch_service_pb2_grpc

_, _, address, token = sys.argv
channel = grpc.insecure_channel(address)
signed_in = [("authorization", f"Bearer {token}")]


def so(claim, is_so):
    if not is_so:
        sys.exit(f"not so: {claim}")
    print(claim, flush=True)


peers = peer_service_pb2_grpc.PeerServiceStub(channel)
listed = peers.ListPeers(peer_service_pb2.ListPeersRequest(), metadata=signed_in, timeout=30)
so("Python's gRPC client lists peers", [peer.metadata.name for peer in listed.peers] == ["berlin"])

watch = watch_service_pb2_grpc.WatchServiceStub(channel).Watch(watch_service_pb2.WatchRequest(), metadata=signed_in, timeout=30)
so("Python's gRPC client hears a watch", next(watch).ByteSize() > 0)
watch.cancel()

try:
    peers.ListPeers(peer_service_pb2.ListPeersRequest(), timeout=30)
    code = grpc.StatusCode.OK
except grpc.RpcError as error:
    code = error.code()
so("Python's gRPC client is told that nobody is signed in", code == grpc.StatusCode.UNAUTHENTICATED)

wrong = app_service_pb2.GetAppRequest(ref={"namespace": "No!", "name": "web"})
try:
    app_service_pb2_grpc.AppServiceStub(channel).GetApp(wrong, metadata=signed_in, timeout=30)
    trailers = {}
except grpc.RpcError as error:
    trailers = dict(error.trailing_metadata()) if error.code() == grpc.StatusCode.INVALID_ARGUMENT else {}
so("Python's gRPC client gets the details of an error", b"buf.validate.Violations" in trailers.get("grpc-status-details-bin", b""))

try:
    watching = watch_service_pb2_grpc.WatchServiceStub(channel).Watch(watch_service_pb2.WatchRequest(), metadata=signed_in, timeout=1)
    for _ in watching:
        pass
    code = grpc.StatusCode.OK
except grpc.RpcError as error:
    code = error.code()
so("a deadline of Python's gRPC client ends a watch", code == grpc.StatusCode.DEADLINE_EXCEEDED)

health = health_pb2_grpc.HealthStub(channel)
answer = health.Check(health_pb2.HealthCheckRequest(service="fairlead.console.v1.AppService"), timeout=30)
so("Python's health client finds a service serving", answer.status == health_pb2.HealthCheckResponse.SERVING)

database = ProtoReflectionDescriptorDatabase(channel)
pool = DescriptorPool(database)
service = pool.FindServiceByName("fairlead.console.v1.AppService")
so("Python's reflection client reads the protos", "ListApps" in [method.name for method in service.methods])
