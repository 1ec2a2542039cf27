package com.amazonaws.services.lambda.runtime;
public interface Context { String getAwsRequestId(); String getFunctionName(); String getFunctionVersion(); String getInvokedFunctionArn(); CognitoIdentity getIdentity(); ClientContext getClientContext(); int getRemainingTimeInMillis(); int getMemoryLimitInMB(); String getLogGroupName(); String getLogStreamName(); LambdaLogger getLogger(); }
