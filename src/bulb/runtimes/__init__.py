"""What runs inside an execution environment, and where it comes from: identifiers, interpreters, images, packages."""
