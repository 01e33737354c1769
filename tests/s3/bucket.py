"""A bucket that speaks as much S3 as Horae needs, for tests. It believes nobody: every request's signature (AWS Signature
Version 4) and the hash of every body are computed again. Written from the specification, with the standard library alone.

    bucket.py KEY_ID SECRET REGION BUCKET

Prints its port, then a line of JSON for each request that it answered.
"""

import datetime
import hashlib
import hmac
import json
import sys
import threading
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

KEY_ID, SECRET, REGION, BUCKET = sys.argv[1:5]
OBJECTS, UPLOADS, LOCK = {}, {}, threading.Lock()
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        wrong = self.judge(url)
        if wrong:
            return self.refuse(403, wrong)
        path = urllib.parse.unquote(url.path).lstrip("/")
        bucket, _, self.key = path.partition("/")
        if bucket != BUCKET:
            return self.refuse(404, "NoSuchBucket")
        with LOCK:
            getattr(self, "on_" + self.command.lower())()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

    def judge(self, url):
        """What is wrong with the signature; None: nothing."""
        head = self.headers.get("Authorization", "")
        if not head.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        parts = dict(part.strip().split("=", 1) for part in head[17:].split(","))
        key_id, day, region, service, end = parts["Credential"].split("/")
        if (key_id, region, service, end) != (KEY_ID, REGION, "s3", "aws4_request"):
            return "InvalidAccessKeyId"
        names = parts["SignedHeaders"].split(";")
        if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names):
            return "AccessDenied"
        stamp = self.headers["x-amz-date"]
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        if abs(datetime.datetime.utcnow() - sent) > datetime.timedelta(minutes=15):
            return "RequestTimeTooSkewed"
        told = self.headers["x-amz-content-sha256"]
        if told not in ("UNSIGNED-PAYLOAD", hashlib.sha256(self.body).hexdigest()):
            return "XAmzContentSHA256Mismatch"
        quote = lambda text: urllib.parse.quote(text, safe="-_.~")
        pairs = urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        query = "&".join(sorted(f"{quote(name)}={quote(value)}" for name, value in pairs))
        path = "/".join(quote(urllib.parse.unquote(part)) for part in url.path.split("/"))
        headers = "".join(f"{name}:{' '.join((self.headers[name] or '').split())}\n" for name in names)
        canonical = "\n".join([self.command, path, query, headers, ";".join(names), told])
        scope = f"{day}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = sign(("AWS4" + SECRET).encode(), day)
        for part in (REGION, "s3", "aws4_request"):
            key = sign(key, part)
        ours = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return None if hmac.compare_digest(ours, parts["Signature"]) else "SignatureDoesNotMatch"

    def answer(self, status, body=b"", **headers):
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        print(json.dumps({"method": self.command, "key": getattr(self, "key", ""), "query": sorted(self.query),
                          "size": len(self.body), "status": status}), flush=True)

    def refuse(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", Content_Type="application/xml")

    def on_put(self):
        if "uploadId" in self.query:
            UPLOADS[self.query["uploadId"]][int(self.query["partNumber"])] = self.body
        else:
            OBJECTS[self.key] = (self.body, datetime.datetime.utcnow())
        self.answer(200, ETag=f'"{hashlib.md5(self.body).hexdigest()}"')

    def on_post(self):
        if "uploads" in self.query:
            upload = uuid.uuid4().hex
            UPLOADS[upload] = {}
            return self.answer(200, f"<InitiateMultipartUploadResult {NAMESPACE}><Bucket>{BUCKET}</Bucket><Key>{escape(self.key)}</Key>"
                                    f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        parts = UPLOADS.get(self.query.get("uploadId"))
        if parts is None:
            return self.refuse(404, "NoSuchUpload")
        numbers = sorted(parts)
        # As S3: every part but the last has five mebibytes.
        if any(len(parts[number]) < 5 * 1024 * 1024 for number in numbers[:-1]):
            return self.refuse(400, "EntityTooSmall")
        OBJECTS[self.key] = (b"".join(parts[number] for number in numbers), datetime.datetime.utcnow())
        del UPLOADS[self.query["uploadId"]]
        self.answer(200, f'<CompleteMultipartUploadResult {NAMESPACE}><Bucket>{BUCKET}</Bucket><Key>{escape(self.key)}</Key>'
                         f'<ETag>"{uuid.uuid4().hex}-{len(numbers)}"</ETag></CompleteMultipartUploadResult>')

    def on_get(self):
        if "list-type" in self.query:
            prefix = self.query.get("prefix", "")
            rows = "".join(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                f"<ETag>&quot;x&quot;</ETag><Size>{len(body)}</Size></Contents>"
                for key, (body, at) in sorted(OBJECTS.items()) if key.startswith(prefix))
            return self.answer(200, f"<ListBucketResult {NAMESPACE}><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"
                                    f"<IsTruncated>false</IsTruncated>{rows}</ListBucketResult>", Content_Type="application/xml")
        if self.key not in OBJECTS:
            return self.refuse(404, "NoSuchKey")
        body, at = OBJECTS[self.key]
        self.answer(200, body, ETag='"x"', Last_Modified=f"{at:%a, %d %b %Y %H:%M:%S GMT}")

    on_head = on_get

    def on_delete(self):
        if "uploadId" in self.query:
            UPLOADS.pop(self.query["uploadId"], None)
        else:
            OBJECTS.pop(self.key, None)
        self.answer(204)


server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
print(server.server_port, flush=True)
# It ends with the test that has started it.
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
