"""cert-manager in Kubernetes, through its dns01 solver acmeDNS."""

from __future__ import annotations

import base64
import json
import textwrap

from zonemint.clients import accounts
from zonemint.clients.accounts import Registered, Roots

__all__ = ["tell"]

_NAMESPACE = "cert-manager"  # where a ClusterIssuer looks for its Secrets, unless cert-manager is told another


def tell(registered: Registered) -> str:
    """Return manifests (YAML) for `kubectl apply`: the accounts in a Secret, and a ClusterIssuer that uses them.

    The solver looks an account up by the exact dnsName, without `*.`. `caBundle` covers the ACME server only; for
    the acme-dns API, cert-manager itself has to trust the roots, which a ConfigMap brings along.
    """
    name = f"zonemint-{registered.domain}"
    documents = [_secret(registered, name), _issuer(registered, name)]
    if registered.roots is not None:
        documents.append(_roots(registered.roots))
    return "\n---\n".join(documents)


def _secret(registered: Registered, name: str) -> str:
    return f"""\
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: {_NAMESPACE}
stringData:
  accounts.json: |
{textwrap.indent(accounts.tell(registered), "    ")}"""


def _issuer(registered: Registered, name: str) -> str:
    roots = registered.roots
    bundle = "" if roots is None else f"\n    caBundle: {base64.b64encode(roots.pem.encode()).decode()}"
    # A JSON string is a YAML string.
    return f"""\
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata:
  name: {name}
spec:
  acme:
    server: {json.dumps(registered.directory_url)}{bundle}
    privateKeySecretRef:
      name: {name}-key
    solvers:
      - dns01:
          acmeDNS:
            host: {json.dumps(registered.server_url)}
            accountSecretRef:
              name: {name}
              key: accounts.json"""


def _roots(roots: Roots) -> str:
    return f"""\
# For the acme-dns API, give the cert-manager controller this, here as values of its Helm chart:
#   volumes: [{{name: zonemint-root, configMap: {{name: zonemint-root}}}}]
#   volumeMounts: [{{name: zonemint-root, mountPath: /etc/zonemint}}]
#   extraEnv: [{{name: SSL_CERT_FILE, value: /etc/zonemint/root.crt}}]
apiVersion: v1
kind: ConfigMap
metadata:
  name: zonemint-root
  namespace: {_NAMESPACE}
data:
  root.crt: |
{textwrap.indent(roots.pem.rstrip(), "    ")}"""
