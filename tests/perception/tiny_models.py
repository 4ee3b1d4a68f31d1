"""Real model classes at tiny random sizes, saved as the hub's repositories are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def seeded() -> None:
    import torch

    torch.set_num_threads(1)  # such small sums only get slower when shared out
    torch.manual_seed(0)


def _shaken(model) -> None:
    """Initial weights are so small that nothing depends on the input: make it depend."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                fan = parameter[0].numel()
                parameter.normal_(0, fan**-0.5, generator=generator)


def sam2_vision() -> dict:
    return {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 12,
            "num_attention_heads": 1,
            "image_size": [128, 128],
            "patch_kernel_size": [7, 7],
            "patch_stride": [4, 4],
            "patch_padding": [3, 3],
            "query_stride": [2, 2],
            "window_positional_embedding_background_size": [7, 7],
            "num_query_pool_stages": 3,
            "blocks_per_stage": [1, 2, 3, 1],
            "embed_dim_per_stage": [12, 24, 48, 96],
            "num_attention_heads_per_stage": [1, 1, 1, 1],
            "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [4, 5],
            "mlp_ratio": 2.0,
        },
        "backbone_channel_list": [96, 48, 24, 12],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 256,
        "fpn_top_down_levels": [2, 3],
    }


def sam2(folder: Path) -> Path:
    """A Sam2VideoModel, as the released repositories hold; Sam2Model reads the same files."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    seeded()
    config = Sam2VideoConfig(
        vision_config={"model_type": "sam2_vision_model", **sam2_vision()},
        prompt_encoder_config={"image_size": 128, "patch_size": 16, "hidden_size": 256},
        mask_decoder_config={"hidden_size": 256, "mlp_dim": 64, "num_hidden_layers": 2},
        image_size=128,
        num_maskmem=3,
        max_object_pointers_in_encoder=4,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_fuser_num_layers=1,
        memory_fuser_intermediate_dim=64,
    )
    model = Sam2VideoModel(config).eval()
    _shaken(model)
    model.save_pretrained(folder)
    settings = {
        "image_processor_type": "Sam2ImageProcessor",
        "size": {"height": 128, "width": 128},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def depth_pro(folder: Path, *, angle: bool = True) -> Path:
    from transformers import DepthProConfig, DepthProForDepthEstimation

    seeded()
    vision = {
        "model_type": "dinov2",
        "num_hidden_layers": 2,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = DepthProConfig(
        patch_size=16,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.25, 0.5, 1],
        scaled_images_overlap_ratios=[0.0, 0.5, 0.25],
        scaled_images_feature_dims=[16, 16, 16],
        use_fov_model=angle,
        image_model_config=vision,
        patch_model_config=vision,
        fov_model_config=vision,
        num_fov_head_layers=0,
    )
    model = DepthProForDepthEstimation(config).eval()
    model.save_pretrained(folder)
    settings = {
        "image_processor_type": "DepthProImageProcessor",
        "size": {"height": 64, "width": 64},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def depth_anything(folder: Path) -> Path:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    seeded()
    config = DepthAnythingConfig(
        backbone_config={
            "model_type": "dinov2",
            "hidden_size": 16,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "mlp_ratio": 2,
            "image_size": 70,
            "patch_size": 14,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
            "reshape_hidden_states": False,
            "apply_layernorm": True,
        },
        reassemble_hidden_size=16,
        patch_size=14,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type="metric",
        max_depth=20,
    )
    DepthAnythingForDepthEstimation(config).eval().save_pretrained(folder)
    settings = {
        "image_processor_type": "DPTImageProcessor",
        "size": {"height": 70, "width": 70},
        "do_resize": True,
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 14,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "red", "cup", "chair", "a", "dog"]


def grounding_dino(folder: Path) -> Path:
    from transformers import (
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
    )

    seeded()
    folder.mkdir(parents=True, exist_ok=True)
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "embed_dim": 12,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "window_size": 4,
            "image_size": 64,
            "out_indices": [2, 3, 4],
        },
        text_config={
            "model_type": "bert",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "vocab_size": len(WORDS),
            "max_position_embeddings": 64,
        },
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
        num_feature_levels=4,
    )
    model = GroundingDinoForObjectDetection(config).eval()
    model.save_pretrained(folder)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n")
    BertTokenizer(vocab={word: place for place, word in enumerate(WORDS)}).save_pretrained(folder)
    settings = {
        "image_processor_type": "GroundingDinoImageProcessor",
        "size": {"shortest_edge": 128, "longest_edge": 200},
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_pad": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def clip_tokenizer(folder: Path) -> None:
    """Letters only: enough to turn any word into numbers."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(97, 123)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def owlv2(folder: Path) -> Path:
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    seeded()
    folder.mkdir(parents=True, exist_ok=True)
    config = Owlv2Config(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 60,
            "max_position_embeddings": 16,
            "bos_token_id": 52,
            "eos_token_id": 53,
            "pad_token_id": 53,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
        },
        projection_dim=16,
    )
    model = Owlv2ForObjectDetection(config).eval()
    model.save_pretrained(folder)
    clip_tokenizer(folder)
    settings = {
        "image_processor_type": "Owlv2ImageProcessor",
        "size": {"height": 64, "width": 64},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth blobs with an edge: something for every filter."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3))
    for channel in range(3):
        a, b, c = rng.uniform(0.02, 0.2, 3)
        image[..., channel] = 127 + 100 * np.sin(a * columns + 6 * c) * np.cos(b * rows)
    image[height // 3 : height // 2, width // 4 : width // 2] = rng.uniform(0, 255, 3)
    return image.clip(0, 255).astype(np.uint8)


def sam3_parts() -> dict:
    size = 112
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "image_size": size,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [0, 1],
        "pretrain_image_size": 56,
    }
    width = 128
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": width,
        "scale_factors": [4.0, 2.0, 1.0, 0.5],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    layers = {
        "hidden_size": width,
        "num_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 32,
    }
    detector = {
        "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": 60,
            "hidden_size": 32,
            "intermediate_size": 32,
            "projection_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "max_position_embeddings": 32,
            "bos_token_id": 52,
            "eos_token_id": 53,
        },
        "geometry_encoder_config": layers,
        "detr_encoder_config": layers,
        "detr_decoder_config": {**layers, "num_queries": 6},
        "mask_decoder_config": {
            "hidden_size": width,
            "num_upsampling_stages": 3,
            "num_attention_heads": 4,
        },
    }
    tracker = {
        "model_type": "sam3_tracker_video",
        "vision_config": vision,
        "prompt_encoder_config": {"image_size": size, "patch_size": 14, "hidden_size": width},
        "mask_decoder_config": {"hidden_size": width, "mlp_dim": 32, "num_hidden_layers": 2},
        "image_size": size,
        "num_maskmem": 3,
        "max_object_pointers_in_encoder": 4,
        "memory_attention_hidden_size": width,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 32,
        "memory_attention_rope_feat_sizes": [8, 8],
        "memory_encoder_hidden_size": width,
        "memory_fuser_num_layers": 1,
        "memory_fuser_embed_dim": width,
        "memory_fuser_intermediate_dim": 32,
        "mask_downsampler_embed_dim": width,
    }
    return {"detector": detector, "tracker": tracker}


def sam3(folder: Path) -> Path:
    """A Sam3VideoModel, as the released repository holds; Sam3Model reads the same files."""
    from transformers import Sam3VideoConfig, Sam3VideoModel

    seeded()
    folder.mkdir(parents=True, exist_ok=True)
    parts = sam3_parts()
    config = Sam3VideoConfig(
        detector_config={"model_type": "sam3", **parts["detector"]},
        tracker_config=parts["tracker"],
        low_res_mask_size=32,
        score_threshold_detection=0.1,
        new_det_thresh=0.12,
        hotstart_delay=0,
        hotstart_unmatch_thresh=0,
        hotstart_dup_thresh=0,
        det_nms_thresh=0.9,
    )
    model = Sam3VideoModel(config).eval()
    _shaken(model)
    model.save_pretrained(folder)
    clip_tokenizer(folder)
    settings = {
        "image_processor_type": "Sam3ImageProcessor",
        "size": {"height": 112, "width": 112},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder
