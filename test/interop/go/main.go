// gRPC as Go has it, at both ends of a door: `grpc serve` is an app, and tells its port; `grpc call ADDRESS CA NAME TOKEN` is a client that
// makes every kind of call and asks for the app's health, over TLS. Each line that it prints is something that was so.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const size = 40_000

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve()
	case len(os.Args) == 6 && os.Args[1] == "call":
		err = call(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	default:
		err = errors.New("usage: grpc serve | grpc call ADDRESS CA NAME TOKEN")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type app struct {
	pb.UnimplementedTestServiceServer
}

// Says who asked, as far as the app may know, in a trailer.
func (app) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	asked, _ := metadata.FromIncomingContext(ctx)
	seen := metadata.Pairs("seen-authorization", fmt.Sprint(len(asked["authorization"])), "seen-bin", "\x00\xff")
	if err := grpc.SetTrailer(ctx, seen); err != nil {
		return nil, err
	}
	if code := in.GetResponseStatus(); code != nil {
		return nil, status.Error(codes.Code(code.Code), code.Message)
	}
	return &pb.SimpleResponse{Payload: in.Payload}, nil
}

func (app) StreamingOutputCall(in *pb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for _, each := range in.ResponseParameters {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, each.Size)}}); err != nil {
			return err
		}
	}
	if len(in.ResponseParameters) == 0 { // For ever, as far as the app goes.
		<-out.Context().Done()
		return out.Context().Err()
	}
	return nil
}

func (app) StreamingInputCall(in grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	sum := 0
	for {
		message, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(message.Payload.Body)
	}
}

func (app) FullDuplexCall(both grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		message, err := both.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := both.Send(&pb.StreamingOutputCallResponse{Payload: message.Payload}); err != nil {
			return err
		}
	}
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, app{})
	healthy := health.NewServer()
	healthy.SetServingStatus("shop", healthpb.HealthCheckResponse_SERVING)
	healthy.SetServingStatus("closed", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, healthy)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() { // Ends with who started it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	return server.Serve(listener)
}

func call(address, caFile, name, token string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	secure := credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	connection, err := grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(secure), grpc.WithAuthority(name),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	client := pb.NewTestServiceClient(connection)
	for _, each := range []struct {
		claim string
		holds func(context.Context, pb.TestServiceClient) error
	}{
		{"one message for one, with trailers", unary},
		{"many messages for one", pour},
		{"one message for many", collect},
		{"messages both ways in turns", talk},
		{"a status of the app's", failure},
		{"a deadline that passes", deadline},
		{"the app's health", func(ctx context.Context, _ pb.TestServiceClient) error { return probe(ctx, connection) }},
	} {
		if err := each.holds(ctx, client); err != nil {
			return fmt.Errorf("%s: %w", each.claim, err)
		}
		fmt.Println(each.claim)
	}
	return nil
}

func unary(ctx context.Context, client pb.TestServiceClient) error {
	var trailer metadata.MD
	out, err := client.UnaryCall(ctx, &pb.SimpleRequest{Payload: payload()}, grpc.Trailer(&trailer))
	if err != nil {
		return err
	}
	if len(out.Payload.Body) != size || trailer.Get("seen-bin")[0] != "\x00\xff" || trailer.Get("seen-authorization")[0] != "0" {
		return fmt.Errorf("%d bytes came, and the trailers %v", len(out.Payload.Body), trailer)
	}
	return nil
}

func pour(ctx context.Context, client pb.TestServiceClient) error {
	asked := &pb.StreamingOutputCallRequest{}
	for range 50 {
		asked.ResponseParameters = append(asked.ResponseParameters, &pb.ResponseParameters{Size: size})
	}
	stream, err := client.StreamingOutputCall(ctx, asked)
	if err != nil {
		return err
	}
	messages := 0
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) && messages == 50 {
			return nil
		}
		if err != nil || len(message.Payload.Body) != size {
			return fmt.Errorf("after %d messages: %w", messages, err)
		}
		messages++
	}
}

func collect(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for range 50 {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: payload()}); err != nil {
			return err
		}
	}
	out, err := stream.CloseAndRecv()
	if err == nil && out.AggregatedPayloadSize != 50*size {
		err = fmt.Errorf("%d bytes came", out.AggregatedPayloadSize)
	}
	return err
}

// Each message is sent when the one before has come back.
func talk(ctx context.Context, client pb.TestServiceClient) error {
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for word := range 10 {
		body := []byte{byte(word)}
		if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: body}}); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.Payload.Body[0] != body[0] {
			return errors.New("another word came back")
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("in place of the end: %w", err)
	}
	return nil
}

func failure(ctx context.Context, client pb.TestServiceClient) error {
	message := "no such order: 'ä' \n%"
	_, err := client.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.FailedPrecondition), Message: message}})
	if told := status.Convert(err); told.Code() != codes.FailedPrecondition || told.Message() != message {
		return fmt.Errorf("in its place: %w", err)
	}
	return nil
}

func deadline(ctx context.Context, client pb.TestServiceClient) error {
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	stream, err := client.StreamingOutputCall(short, &pb.StreamingOutputCallRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("in its place: %w", err)
	}
	return nil
}

func probe(ctx context.Context, connection *grpc.ClientConn) error {
	client := healthpb.NewHealthClient(connection)
	for service, wanted := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"": healthpb.HealthCheckResponse_SERVING, "shop": healthpb.HealthCheckResponse_SERVING, "closed": healthpb.HealthCheckResponse_NOT_SERVING,
	} {
		out, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil || out.Status != wanted {
			return fmt.Errorf("%q is %v: %w", service, out.GetStatus(), err)
		}
	}
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "unknown"})
	if status.Code(err) != codes.NotFound {
		return fmt.Errorf("one that is not there: %w", err)
	}
	return nil
}

func payload() *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }
