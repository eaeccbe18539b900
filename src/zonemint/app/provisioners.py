"""The ACME servers and their profiles, made from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

from cryptography import x509

from zonemint.acme.context import Provisioner
from zonemint.acme.urls import Urls
from zonemint.config import Config
from zonemint.config.provisioners import Provisioner as ProvisionerTable
from zonemint.core.patterns import Patterns
from zonemint.pki.policy import Policy
from zonemint.pki.profiles import ATTRIBUTES, DEFAULT, USAGES, Profile
from zonemint.validation.method import Method

__all__ = ["enrollment_profile", "own_profile", "policy", "profiles", "provisioners"]


def profiles(config: Config) -> dict[str, Profile]:
    """Return every profile by its name."""
    return {
        name: Profile(
            name,
            int(one.lifetime or config.acme.certificate_lifetime),
            int(one.backdate),
            tuple(USAGES[word] for word in one.extended_key_usages),
            keys=frozenset(one.keys),
            rsa_bits=one.rsa_bits,
            common_name=one.common_name,
            subject=tuple(
                x509.NameAttribute(oid, one.subject[word]) for word, oid in ATTRIBUTES.items() if word in one.subject
            ),
            points_to_crl="crl" in one.pointers,
            points_to_issuer="issuer" in one.pointers,
            points_to_ocsp="ocsp" in one.pointers,
            said=one.description,
        )
        for name, one in config.every_profile.items()
    }


def own_profile(config: Config) -> Profile:
    """Return the profile of nodes' own certificates, which are for TLS servers whatever the settings make of others."""
    return Profile(DEFAULT.name, int(config.acme.certificate_lifetime))


def enrollment_profile(config: Config) -> Profile:
    """Return the profile of certificates without ACME, whose owners must be able to show them as TLS clients."""
    known = profiles(config)
    if config.enrollment.profile:
        return known[config.enrollment.profile]
    return replace(known[DEFAULT.name], extended_key_usages=tuple(USAGES.values()))


def policy(config: Config, one: ProvisionerTable) -> Policy:
    """Return what a provisioner issues for."""
    return Policy(
        config.domains,
        allow=Patterns.read(one.allow) if one.allow else None,
        deny=Patterns.read(one.deny),
        wildcards=one.wildcards,
        single_labels=one.single_labels,
    )


def provisioners(config: Config, methods: Mapping[str, Method]) -> dict[str, Provisioner]:
    """Return every ACME server by its name, with its profiles and the challenges that there are."""
    every = profiles(config)
    return {
        name: Provisioner(
            name,
            Urls(f"{config.external_url}/acme/{name}"),
            policy(config, one),
            {profile: every[profile] for profile in one.profiles},
            one.profiles[0],
            {challenge: methods[challenge] for challenge in one.challenges},
            website=one.website,
            terms=one.terms,
            terms_again=one.terms_again,
            external_account_required=one.external_account_required,
            honours_dates=one.dates,
            networks=tuple(map(ip_network, one.networks)),
            subdomains=config.acme.subdomains,
        )
        for name, one in config.every_provisioner.items()
    }
