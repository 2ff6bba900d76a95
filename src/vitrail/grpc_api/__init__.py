"""gRPC for the xAI SDK: the same services as REST, with protobuf at the ends. Needs the extra `vitrail[grpc]`."""
