// What ImageIO and AVFoundation make of the depth in every file of a folder, as JSON.
//
//     swift probe.swift [FOLDER] > report.json        FOLDER: where this script lies, unless named
//
// Then, wherever gpudepth runs:  gpudepth check --apple-report report.json
//
// Needs a Mac with macOS 11 or newer and Xcode's command line tools. No packages, no network; it only reads.

import AVFoundation
import CryptoKit
import Foundation
import ImageIO

struct Report: Codable {
    var schema: String
    var version: Int
    var system: String
    var architecture: String
    var files: [FileReport]
}

struct FileReport: Codable {
    var file: String
    var sha256: String
    var type: String?
    var images: Int
    var width: Int?
    var height: Int?
    var orientation: Int?
    var auxiliary: [AuxiliaryReport]
    var error: String?
}

struct AuxiliaryReport: Codable {
    var type: String
    var pixelFormat: String?
    var width: Int?
    var height: Int?
    var bytesPerRow: Int?
    var metadata: [String]
    var depthData: DepthReport?
    var error: String?
}

struct DepthReport: Codable {
    var pixelFormat: String
    var width: Int
    var height: Int
    var accuracy: String
    var quality: String
    var filtered: Bool
    var calibration: CalibrationReport?
    var minimum: Double?
    var maximum: Double?
    var mean: Double?
    var notFinite: Int
    var sha256: String
}

struct CalibrationReport: Codable {
    var intrinsicMatrix: [Double]
    var referenceWidth: Double
    var referenceHeight: Double
    var extrinsicMatrix: [Double]
    var pixelSize: Double
}

func fourCC(_ code: UInt32) -> String {
    let bytes = [24, 16, 8, 0].map { UInt8((code >> UInt32($0)) & 0xff) }
    return String(decoding: bytes, as: UTF8.self)
}

func hex<D: DataProtocol>(_ data: D) -> String {
    return SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
}

/// Rows without their padding.
func rows(of buffer: CVPixelBuffer, bytesPerValue: Int) -> Data {
    CVPixelBufferLockBaseAddress(buffer, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
    let width = CVPixelBufferGetWidth(buffer)
    let height = CVPixelBufferGetHeight(buffer)
    let pitch = CVPixelBufferGetBytesPerRow(buffer)
    var out = Data(capacity: width * height * bytesPerValue)
    if let base = CVPixelBufferGetBaseAddress(buffer) {
        for y in 0..<height {
            out.append(Data(bytes: base + y * pitch, count: width * bytesPerValue))
        }
    }
    return out
}

func calibration(of depth: AVDepthData) -> CalibrationReport? {
    guard let camera = depth.cameraCalibrationData else { return nil }
    let k = camera.intrinsicMatrix
    let e = camera.extrinsicMatrix
    let size = camera.intrinsicMatrixReferenceDimensions
    var intrinsics: [Double] = []
    for column in [k.columns.0, k.columns.1, k.columns.2] {
        intrinsics += [Double(column.x), Double(column.y), Double(column.z)]
    }
    var extrinsics: [Double] = []
    for column in [e.columns.0, e.columns.1, e.columns.2, e.columns.3] {
        extrinsics += [Double(column.x), Double(column.y), Double(column.z)]
    }
    return CalibrationReport(
        intrinsicMatrix: intrinsics, referenceWidth: Double(size.width), referenceHeight: Double(size.height),
        extrinsicMatrix: extrinsics, pixelSize: Double(camera.pixelSize))
}

func report(on depth: AVDepthData) -> DepthReport {
    let type = depth.depthDataType
    let half = type == kCVPixelFormatType_DisparityFloat16 || type == kCVPixelFormatType_DepthFloat16
    let disparity = type == kCVPixelFormatType_DisparityFloat16 || type == kCVPixelFormatType_DisparityFloat32
    let map = depth.depthDataMap
    let native = rows(of: map, bytesPerValue: half ? 2 : 4)

    let wide = depth.converting(
        toDepthDataType: disparity ? kCVPixelFormatType_DisparityFloat32 : kCVPixelFormatType_DepthFloat32)
    let data = rows(of: wide.depthDataMap, bytesPerValue: 4)
    var values = [Float](repeating: 0, count: data.count / 4)
    _ = values.withUnsafeMutableBytes { data.copyBytes(to: $0) }
    let finite = values.filter { $0.isFinite }
    let sum = finite.reduce(0.0) { $0 + Double($1) }

    return DepthReport(
        pixelFormat: fourCC(type),
        width: CVPixelBufferGetWidth(map),
        height: CVPixelBufferGetHeight(map),
        accuracy: depth.depthDataAccuracy == .absolute ? "absolute" : "relative",
        quality: depth.depthDataQuality == .high ? "high" : "low",
        filtered: depth.isDepthDataFiltered,
        calibration: calibration(of: depth),
        minimum: finite.min().map { Double($0) },
        maximum: finite.max().map { Double($0) },
        mean: finite.isEmpty ? nil : sum / Double(finite.count),
        notFinite: values.count - finite.count,
        sha256: hex(native))
}

func report(on info: [AnyHashable: Any], type: String, isDepth: Bool) -> AuxiliaryReport {
    var out = AuxiliaryReport(type: type, metadata: [])
    if let about = info[kCGImageAuxiliaryDataInfoDataDescription as String] as? [AnyHashable: Any] {
        out.pixelFormat = (about["PixelFormat"] as? NSNumber).map { fourCC($0.uint32Value) }
        out.width = (about["Width"] as? NSNumber)?.intValue
        out.height = (about["Height"] as? NSNumber)?.intValue
        out.bytesPerRow = (about["BytesPerRow"] as? NSNumber)?.intValue
    }
    if let value = info[kCGImageAuxiliaryDataInfoMetadata as String],
        CFGetTypeID(value as CFTypeRef) == CGImageMetadataGetTypeID()
    {
        let metadata = value as! CGImageMetadata
        var names: [String] = []
        CGImageMetadataEnumerateTagsUsingBlock(metadata, nil, nil) { path, _ in
            names.append(path as String)
            return true
        }
        out.metadata = names.sorted()
    }
    if isDepth {
        do {
            out.depthData = report(on: try AVDepthData(fromDictionaryRepresentation: info))
        } catch {
            out.error = "\(error)"
        }
    }
    return out
}

/// A dictionary of gpudepth's: its metadata is a packet, and becomes the object that AVDepthData wants.
func reportOnDictionary(at url: URL, into out: inout FileReport) {
    guard var info = NSDictionary(contentsOf: url) as? [AnyHashable: Any] else {
        out.error = "NSDictionary(contentsOf:) gives nothing"
        return
    }
    out.type = "com.apple.property-list"
    if let packet = info["gpudepthMetadataXMP"] as? Data,
        let metadata = CGImageMetadataCreateFromXMPData(packet as CFData)
    {
        info[kCGImageAuxiliaryDataInfoMetadata as String] = metadata
    }
    let type = info["gpudepthAuxiliaryDataType"] as? String ?? "unknown"
    out.auxiliary = [report(on: info, type: type, isDepth: true)]
}

func reportOnImage(at url: URL, into out: inout FileReport) {
    guard let source = CGImageSourceCreateWithURL(url as CFURL, nil) else {
        out.error = "CGImageSourceCreateWithURL gives nothing"
        return
    }
    out.type = CGImageSourceGetType(source) as String?
    out.images = CGImageSourceGetCount(source)
    guard out.images > 0 else {
        out.error = "ImageIO finds no image"
        return
    }
    let index = CGImageSourceGetPrimaryImageIndex(source)
    if let properties = CGImageSourceCopyPropertiesAtIndex(source, index, nil) as? [AnyHashable: Any] {
        out.width = (properties[kCGImagePropertyPixelWidth as String] as? NSNumber)?.intValue
        out.height = (properties[kCGImagePropertyPixelHeight as String] as? NSNumber)?.intValue
        out.orientation = (properties[kCGImagePropertyOrientation as String] as? NSNumber)?.intValue
    }
    let kinds: [(CFString, Bool)] = [
        (kCGImageAuxiliaryDataTypeDisparity, true),
        (kCGImageAuxiliaryDataTypeDepth, true),
        (kCGImageAuxiliaryDataTypePortraitEffectsMatte, false),
        ("kCGImageAuxiliaryDataTypeHDRGainMap" as CFString, false),
    ]
    for (kind, isDepth) in kinds {
        if let info = CGImageSourceCopyAuxiliaryDataInfoAtIndex(source, index, kind) as? [AnyHashable: Any] {
            out.auxiliary.append(report(on: info, type: kind as String, isDepth: isDepth))
        }
    }
}

let script = URL(fileURLWithPath: CommandLine.arguments[0])
let folder = CommandLine.arguments.count > 1
    ? URL(fileURLWithPath: CommandLine.arguments[1], isDirectory: true)
    : script.deletingLastPathComponent()
let suffixes: Set<String> = ["heic", "heif", "jpg", "jpeg", "dng", "plist"]

var names: [String] = []
if let walk = FileManager.default.enumerator(atPath: folder.path) {
    for case let name as String in walk where suffixes.contains((name as NSString).pathExtension.lowercased()) {
        names.append(name)
    }
}
names.sort()

var result = Report(
    schema: "gpudepth-apple-report", version: 1,
    system: ProcessInfo.processInfo.operatingSystemVersionString, architecture: "unknown", files: [])
#if arch(arm64)
result.architecture = "arm64"
#elseif arch(x86_64)
result.architecture = "x86_64"
#endif

for name in names {
    autoreleasepool {
        let url = folder.appendingPathComponent(name)
        let bytes = (try? Data(contentsOf: url)) ?? Data()
        var file = FileReport(file: name, sha256: hex(bytes), images: 0, auxiliary: [])
        if url.pathExtension.lowercased() == "plist" {
            reportOnDictionary(at: url, into: &file)
        } else {
            reportOnImage(at: url, into: &file)
        }
        result.files.append(file)
    }
}

let encoder = JSONEncoder()
encoder.keyEncodingStrategy = .convertToSnakeCase
encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
FileHandle.standardOutput.write(try encoder.encode(result))
FileHandle.standardOutput.write(Data("\n".utf8))
