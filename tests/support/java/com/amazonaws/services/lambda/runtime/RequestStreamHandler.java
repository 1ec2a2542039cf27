package com.amazonaws.services.lambda.runtime;
import java.io.*;
public interface RequestStreamHandler { void handleRequest(InputStream input, OutputStream output, Context context) throws IOException; }
