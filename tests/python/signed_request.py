"""Sends one signed request to an S3 or an STS and prints the body of the answer.

Usage: signed_request.py METHOD URL SERVICE ACCESS_KEY SECRET_KEY [BODY]. Signed by hand (AWS Signature
Version 4), so that nothing of ours signs what sets a test up.
"""

import base64
import datetime
import hashlib
import hmac
import sys
import urllib.error
import urllib.parse
import urllib.request

REGION = "us-east-1"


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def main():
    method, url, service, access, secret = sys.argv[1:6]
    body = "".join(sys.argv[6:]).encode()
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    parts = urllib.parse.urlsplit(url)
    pairs = sorted(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    query = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote, safe="-_.~")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(headers)
    canonical = [method, parts.path or "/", query]
    canonical += [f"{name}:{value}" for name, value in headers.items()] + ["", names, digest]
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    canonical = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = keyed(key, part)
    signature = keyed(key, "\n".join(["AWS4-HMAC-SHA256", stamp, scope, canonical])).hex()
    del headers["host"]
    credential = f"Credential={access}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers["Authorization"] = "AWS4-HMAC-SHA256 " + credential
    headers["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
    headers["Content-Type"] = "application/x-www-form-urlencoded" if service == "sts" else "application/xml"
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        print(urllib.request.urlopen(request, timeout=20).read().decode())
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {error.read().decode()}")


main()
