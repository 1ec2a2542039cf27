"""Code signing configurations, and the one a function has."""

from dataclasses import replace

from bulb.core.calls import Answer, Call
from bulb.services.lambda_ import code_signing, names, paging, rules
from bulb.services.lambda_.code_signing import CodeSigningConfig
from bulb.services.lambda_.store import LambdaStore


class CodeSigningOperations:
    """The operations on code signing."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store.code_signing

    async def create_code_signing_config(self, call: Call) -> Answer:
        """A new configuration; without a policy it only warns."""
        params = call.params
        rules.check_tags(params.get("Tags", {}))
        new = CodeSigningConfig(
            account=call.account,
            region=call.region,
            id=code_signing.new_id(),
            publishers=tuple(params["AllowedPublishers"]["SigningProfileVersionArns"]),
            policy=params.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment", "Warn"),
            last_modified=call.now,
            description=params.get("Description", ""),
            tags=params.get("Tags", {}),
        )
        await self._store.create(new)
        return {"CodeSigningConfig": code_signing.shown(new)}

    async def get_code_signing_config(self, call: Call) -> Answer:
        """The configuration."""
        return {"CodeSigningConfig": code_signing.shown(await self._own(call))}

    async def update_code_signing_config(self, call: Call) -> Answer:
        """Changes what is given; code that is deployed already stays."""
        params = call.params

        def decide(config: CodeSigningConfig) -> CodeSigningConfig:
            publishers = params.get("AllowedPublishers", {}).get("SigningProfileVersionArns", config.publishers)
            return replace(
                config,
                description=params.get("Description", config.description),
                publishers=tuple(publishers),
                policy=params.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment", config.policy),
                last_modified=call.now,
            )

        changed = await self._store.change((await self._own(call)).arn, decide)
        if changed is None:
            raise code_signing.not_found()
        return {"CodeSigningConfig": code_signing.shown(changed)}

    async def delete_code_signing_config(self, call: Call) -> Answer:
        """Removes one that no function has."""
        await self._store.delete((await self._own(call)).arn)
        return {}

    async def list_code_signing_configs(self, call: Call) -> Answer:
        """A page of the account's configurations."""
        after = paging.position(call.params.get("Marker"))
        limit = paging.limit(call.params)
        found = await self._store.page(call.account, call.region, after[0] if after else "", limit + 1)
        answer: Answer = {"CodeSigningConfigs": [code_signing.shown(config) for config in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(found[limit - 1].id, "")
        return answer

    async def list_functions_by_code_signing_config(self, call: Call) -> Answer:
        """A page of the functions that have the configuration, by name."""
        config = await self._own(call)
        after = paging.position(call.params.get("Marker"))
        limit = paging.limit(call.params)
        found = await self._store.functions(config, after[0] if after else "", limit + 1)
        answer: Answer = {"FunctionArns": [key.arn for key in found[:limit]]}
        if len(found) > limit:
            answer["NextMarker"] = paging.marker(found[limit - 1].name, "")
        return answer

    async def put_function_code_signing_config(self, call: Call) -> Answer:
        """From the next deployment on the configuration counts for the function."""
        key = names.latest_target(call)
        arn = call.params["CodeSigningConfigArn"]
        await self._store.attach(key, arn)
        return {"CodeSigningConfigArn": arn, "FunctionName": key.name}

    async def get_function_code_signing_config(self, call: Call) -> Answer:
        """The configuration the function has; nothing when it has none."""
        key = names.latest_target(call)
        config = await self._store.of_function(key)
        return {} if config is None else {"CodeSigningConfigArn": config.arn, "FunctionName": key.name}

    async def delete_function_code_signing_config(self, call: Call) -> Answer:
        """Takes the configuration away from the function."""
        await self._store.attach(names.latest_target(call), None)
        return {}

    async def _own(self, call: Call) -> CodeSigningConfig:
        """The configuration, if it is one of the caller's account and region. Raises ResourceNotFoundException."""
        config = await self._store.find(call.params["CodeSigningConfigArn"])
        if config is None or (config.account, config.region) != (call.account, call.region):
            raise code_signing.not_found()
        return config
