"""CloudFormation's intrinsic functions, as far as our template uses them: Ref, GetAtt, Sub, Join, If, Equals, Not, And, Or.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.errors import TemplateInvalid

REF = "Ref"
NO_VALUE = object()
_PLACE = re.compile(r"\$\{(!?)([A-Za-z0-9:._]+)\}")


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Resolves values of a template. `attribute(logical id, name)` answers for resources; a plain Ref asks for the name `REF`."""

    parameters: Mapping[str, Any]
    conditions: Mapping[str, Any]
    attribute: Callable[[str, str], Any]

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function in it carried out; what is AWS::NoValue falls out of lists and mappings."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in (REF, "Condition") or name.startswith("Fn::"):
                return self._call(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                logical_id, _, attribute = (
                    argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
                )
                return self.attribute(logical_id, attribute)
            case "Fn::Sub":
                return self._sub(argument)
            case "Fn::Join":
                return str(argument[0]).join(str(item) for item in self.resolve(argument[1]))
            case "Fn::If":
                return self.resolve(argument[1] if self._condition(argument[0]) else argument[2])
            case _:
                return self._logic(name, argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self.parameters[name] if name in self.parameters else self.attribute(name, REF)

    def _sub(self, argument: Any) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else (argument[0], self.resolve(argument[1]))

        def replacement(place: re.Match[str]) -> str:
            literal, name = place.groups()
            if literal:
                return f"${{{name}}}"
            if name in local:
                return str(local[name])
            logical_id, dot, attribute = name.partition(".")
            return str(self.attribute(logical_id, attribute) if dot else self._ref(name))

        return _PLACE.sub(replacement, text)

    def _logic(self, name: str, argument: Any) -> bool:
        match name:
            case "Condition":
                return self._condition(argument)
            case "Fn::Equals":
                left, right = self.resolve(argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.resolve(argument[0])
            case "Fn::And":
                return all(self.resolve(argument))
            case "Fn::Or":
                return any(self.resolve(argument))
            case _:
                raise TemplateInvalid(f"template.yaml: the local stack does not know {name}")

    def _condition(self, name: str) -> bool:
        if name not in self.conditions:
            raise TemplateInvalid(f"template.yaml: no condition {name}")
        return bool(self.resolve(self.conditions[name]))
