"""Answer predictions over HTTP: python service.py [--host 127.0.0.1] [--port 8000]

    POST /predict    an image (form field `image`, or the body with its Content-Type), or JSON
                     {"inputs": {"name": [[…]]}} with prepared arrays; ?outputs=1 adds the raw outputs
    GET  /health     {"status": "ok", "model": …, "version": …}

Whatever is wrong with a request is a 4xx answer {"error": "…"}. The service listens on this computer only, unless
--host says otherwise; it has no authentication and no TLS: put a proxy in front of it where others can reach it.
"""

from __future__ import annotations

import argparse
import io
from typing import Any

import waitress
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from predict import InputError, Predictor, open_image


def create_app(predictor: Predictor, max_bytes: int | None = None) -> Flask:
    """The WSGI application, for this file's own server or another one; `max_bytes` of the manifest by default."""
    max_bytes = max_bytes or predictor.manifest["max_request_bytes"]
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_bytes
    app.json.sort_keys = False

    @app.get("/health")
    def health() -> Response:
        manifest = predictor.manifest
        return jsonify(status="ok", model=manifest["name"], version=manifest["version"])

    @app.post("/predict")
    def predict() -> Response:
        outputs = _predict(predictor)
        return jsonify(predictor.describe(outputs, with_outputs=request.args.get("outputs") == "1"))

    @app.errorhandler(InputError)
    def refuse(error: InputError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> tuple[Response, int]:
        text = f"The request is larger than {max_bytes >> 20} MiB." if error.code == 413 else str(error.description)
        return jsonify(error=text), error.code or 500

    @app.errorhandler(Exception)
    def fail(error: Exception) -> tuple[Response, int]:
        app.logger.exception("A request failed")
        return jsonify(error="The service failed; its log says why."), 500

    return app


def _predict(predictor: Predictor) -> Any:
    kind = request.mimetype
    if kind == "multipart/form-data":
        if "image" not in request.files:
            raise InputError("The form has no file in the field 'image'.")
        return predictor.predict_image(open_image(request.files["image"].stream))
    if kind.startswith("image/") or kind == "application/octet-stream":
        return predictor.predict_image(open_image(io.BytesIO(request.get_data())))
    if kind != "application/json":
        raise UnsupportedBody
    try:
        document = request.get_json()
    except RecursionError as error:
        raise InputError("The body is nested too deeply.") from error
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), dict):
        raise InputError('The body must be {"inputs": {"name": [[…]]}}.')
    return predictor.predict_arrays(document["inputs"])


class UnsupportedBody(HTTPException):
    """Neither an image nor JSON."""

    code = 415
    description = "Send an image (form field 'image', or Content-Type image/…) or JSON (application/json)."


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="Answer predictions over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this computer only)")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one (default 8000)")
    parser.add_argument("--threads", type=int, default=4, help="requests answered at once (default 4)")
    arguments = parser.parse_args()
    app = create_app(Predictor())
    server = waitress.create_server(
        app,
        host=arguments.host,
        port=arguments.port,
        threads=arguments.threads,
        # One byte more than the application takes, so that its own 413 answers first.
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + 1,
    )
    print(f"Listening on http://{arguments.host}:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
