"""Rows as the identity API shows them. Nothing here ever holds a hash or a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from webcloud.config import Config
from webcloud.identity.catalog import catalog
from webcloud.identity.models import ApplicationCredential, Project, User
from webcloud.identity.queries import DOMAIN_ID, DOMAIN_NAME, ROLE_IDS
from webcloud.identity.tokens import Valid

DOMAIN = {"id": DOMAIN_ID, "name": DOMAIN_NAME}


def moment(value: datetime | None) -> str | None:
    """A time as Keystone writes it: UTC, microseconds, Z."""
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def token(valid: Valid, config: Config, *, with_catalog: bool = True) -> dict[str, Any]:
    """The ``token`` of an answer; its secret is in the header X-Subject-Token only."""
    body: dict[str, Any] = {
        "methods": valid.token.methods,
        "audit_ids": [valid.token.audit_id],
        "issued_at": moment(valid.token.issued_at),
        "expires_at": moment(valid.token.expires_at),
        "user": {
            "id": valid.user.id,
            "name": valid.user.name,
            "domain": DOMAIN,
            "password_expires_at": None,
        },
    }
    if valid.project is not None:
        body["project"] = {
            "id": valid.project.id,
            "name": valid.project.name,
            "domain": DOMAIN,
        }
        body["is_domain"] = False
        body["roles"] = [role(name) for name in sorted(valid.roles)]
        if with_catalog:
            body["catalog"] = catalog(config)
    if valid.credential is not None:
        body["application_credential"] = {
            "id": valid.credential.id,
            "name": valid.credential.name,
            "restricted": valid.restricted,
        }
    return body


def role(name: str) -> dict[str, Any]:
    return {"id": ROLE_IDS[name], "name": name, "domain_id": None, "description": ""}


def project(row: Project) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def user(row: User) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "enabled": row.enabled,
        "domain_id": DOMAIN_ID,
        "default_project_id": row.default_project_id,
        "password_expires_at": None,
        "options": {},
    }


def application_credential(row: ApplicationCredential) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "project_id": row.project_id,
        "user_id": row.user_id,
        "roles": [role(name) for name in row.roles],
        "unrestricted": row.unrestricted,
        "expires_at": moment(row.expires_at),
        "access_rules": [],
        "system": None,
    }
