"""From what `--model` names to a loaded model, or to one sentence that says why not.

Nothing is run that comes with a model: remote code is never trusted, and weights are read from safetensors only, since
a pickle can run code. Heavy libraries are imported where they are needed, so that a broken directory costs no time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from suites.accuracy.models.base import NotEvaluated

Kind = Literal["causal", "seq2seq", "masked", "encoder", "classifier"]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")

# Runs in a process of its own: the evaluation is offline, and whether it is, is decided when the library is imported.
FETCH = """
import json, sys
from huggingface_hub import HfApi, snapshot_download
name = sys.argv[1]
try:
    files = [s.rfilename for s in HfApi().model_info(name, timeout=15).siblings]
    if not any(f.endswith(".safetensors") for f in files):
        problem = "has no safetensors on the hub, and nothing else is loaded: "
        print(json.dumps({"problem": problem + ", ".join(files)[:80]}))
    else:
        wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
        print(json.dumps({"folder": snapshot_download(name, allow_patterns=wanted)}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
"""


def locate(model: str, environment: dict[str, str] | None = None) -> Path:
    """The directory that `--model` names; one on the hub is downloaded first. Raises `NotEvaluated`."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path.resolve()
    if path.exists():
        raise NotEvaluated("error", f"{model} is a file: --model takes the directory that holds config.json")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", model):
        raise NotEvaluated("error", f"{model}: no such directory, and no id of a model on the hub (owner/name) either")
    command = [sys.executable, "-c", FETCH, model]
    done = subprocess.run(command, capture_output=True, text=True, env=environment or dict(os.environ), check=False)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        answer = {"error": "no answer", "text": done.stderr.strip()[-160:]}
    if "folder" in answer:
        return Path(answer["folder"])
    if "problem" in answer:
        raise NotEvaluated("error", f"{model} {answer['problem']}")
    if answer["error"] in ("RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError"):
        raise NotEvaluated("error", f"{model}: no such directory here, and the hub has no public model of that name")
    reason = answer["text"].strip().splitlines()[0][:160] if answer["text"].strip() else ""
    raise NotEvaluated(
        "error",
        f"{model}: no such directory here, and the hub cannot be reached ({answer['error']}: {reason}); "
        "give the path of a downloaded directory instead",
    )


def read_json(path: Path) -> Any:
    """The content of a model's JSON file. Raises `NotEvaluated` where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotEvaluated("error", f"{path.parent} has no {path.name}: is it the directory of a model?") from None
    except (ValueError, OSError) as error:
        raise NotEvaluated("error", f"{path} cannot be read as JSON: {error}") from error


def body(folder: Path) -> Path:
    """Where config and weights are: sentence-transformers may keep them in a module's folder."""
    if (folder / "modules.json").exists():
        for module in read_json(folder / "modules.json"):
            if module["type"].endswith("Transformer"):
                return folder / module["path"]
    return folder


def kinds(folder: Path) -> tuple[Kind, ...]:
    """What the model can do, by its configuration alone. Raises `NotEvaluated` where no task can judge it."""
    config = read_json(body(folder) / "config.json")
    if not isinstance(config, dict) or "model_type" not in config:
        raise NotEvaluated("error", f"{body(folder) / 'config.json'} names no model_type")
    for path in (body(folder) / "config.json", body(folder) / "tokenizer_config.json"):
        if path.exists() and read_json(path).get("auto_map"):
            raise NotEvaluated(
                "unsupported", f"its {path.name} asks for code of its own (auto_map), which is never run"
            )
    name, model_type = (config.get("architectures") or [""])[0], config["model_type"]
    if (folder / "modules.json").exists():
        return ("encoder",)
    from transformers.models.auto import modeling_auto as auto

    # subtle: families of encoders have a class "for causal LM" too, which attends both ways unless is_decoder is set.
    two_way = model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder")
    both = bool(config.get("is_encoder_decoder"))
    one_way = model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not two_way and not both
    if name.endswith("ForSequenceClassification"):
        return ("classifier",)
    if both and re.search(r"ForConditionalGeneration$", name):
        return ("seq2seq",)
    if two_way and not both and re.search(r"(ForMaskedLM|ForPreTraining)$", name):
        return ("masked", "encoder")
    if two_way and not both and re.search(r"(^|Model)$", name):
        return ("encoder",)
    if one_way and re.search(r"(^|Model|ForCausalLM|LMHeadModel)$", name):
        return ("causal",)
    raise NotEvaluated(
        "unsupported",
        f"no task judges {name or 'a model'} of type {model_type}: expected a causal, masked or sequence-to-sequence "
        "language model, a text encoder or a sequence classifier",
    )


def check_files(folder: Path) -> None:
    """Refuse a directory without weights or tokenizer, or with damaged ones. Raises `NotEvaluated`."""
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    shards = sorted(set(read_json(index)["weight_map"].values())) if index.exists() else ["model.safetensors"]
    missing = [shard for shard in shards if not (folder / shard).exists()]
    if missing:
        pickles = sorted(p.name for p in folder.glob("*.bin")) + sorted(p.name for p in folder.glob("*.pt*"))
        if pickles and not index.exists():
            raise NotEvaluated(
                "error",
                f"{folder} has its weights in pickles only ({', '.join(pickles[:3])}), which can run code and are not "
                "loaded; save it again with save_pretrained, which writes model.safetensors",
            )
        raise NotEvaluated("error", f"{folder} has no weights: {', '.join(missing[:3])} is missing")
    for shard in shards:
        try:
            with safe_open(folder / shard, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise NotEvaluated("error", f"{folder / shard} is damaged: {error}") from error
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise NotEvaluated("error", f"{folder} has no tokenizer: none of {', '.join(TOKENIZER_FILES)} is there")


def load(folder: Path, auto_class: Any, device: str, unneeded: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """(model, tokenizer) of a directory, float32 on the CPU and as stored elsewhere. Raises `NotEvaluated`.

    Weights that the file lacks would be drawn at random; only those whose names begin with `unneeded` may be.
    """
    check_files(folder)
    import torch
    from transformers import AutoTokenizer

    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        model, info = auto_class.from_pretrained(
            folder,
            use_safetensors=True,
            dtype=torch.float32 if device == "cpu" else "auto",
            output_loading_info=True,
            **safe,
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise NotEvaluated("error", f"transformers cannot load {folder} ({type(error).__name__}: {reason})") from error
    absent = sorted(name for name in info["missing_keys"] if not name.startswith(unneeded or ("\0",)))
    if absent or info["mismatched_keys"]:
        names = ", ".join([*absent, *(str(key[0]) for key in info["mismatched_keys"])][:3])
        message = f"the weights in {folder} do not fit its config.json: {names} would be drawn at random"
        raise NotEvaluated("error", message)
    return model.to(device).eval(), tokenizer
